"""Throw-away MongoDB replica sets from a shell: up, down, status, roll-over."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from lab import supervisor
from lab.background import DEFAULT_MIX, Writer, parse_mix, read_counts
from lab.errors import LabError
from lab.replica_set import Member, ReplicaSet
from lab.rollover import Progress, oplog_ends, roll_over


def up(options: argparse.Namespace) -> int:
    hidden = [Member(priority=0, hidden=True)] * options.hidden
    replica_set = ReplicaSet(
        options.name,
        [Member()] * (options.members - options.hidden) + hidden,
        oplog_mb=options.oplog_mb,
        directory=options.directory.resolve(),
        auth=options.auth,
        election_timeout_ms=options.election_timeout_ms,
    )

    def make_writer(started: ReplicaSet) -> Writer:
        return Writer(started.uri, rate=options.writer, mix=options.mix, directory=started.directory)

    supervisor.keep_up(supervisor.Plan(replica_set, options.seed_mb, make_writer if options.writer else None))
    return 0


def down(options: argparse.Namespace) -> int:
    print("stopped" if supervisor.take_down(options.directory) else f"nothing runs in {options.directory}")
    return 0


def status(options: argparse.Namespace) -> int:
    lab = supervisor.read(options.directory)
    report: dict[str, Any] = {"name": lab["name"], "uri": lab["bare_uri"], "pid": lab["pid"], "members": []}
    with MongoClient[dict[str, Any]](lab["uri"], serverSelectionTimeoutMS=5000) as client:
        states = {m["name"]: m["stateStr"] for m in client.admin.command("replSetGetStatus")["members"]}
    ends = oplog_ends(lab["uri"], [address for address, state in states.items() if state in {"PRIMARY", "SECONDARY"}])
    for member in lab["members"]:
        oldest, newest = ends.get(member["address"], (None, None))
        window = newest.time - oldest.time if oldest and newest else None
        report["members"].append({**member, "state": states.get(member["address"]), "oplog_window_seconds": window})
    report["writer"] = read_counts(Path(lab["writer"]["state"])) if lab["writer"] else None
    print(json.dumps(report, indent=2))
    return 0


def roll(options: argparse.Namespace) -> int:
    lab = supervisor.read(options.directory)

    def show(progress: Progress) -> None:
        left = ", ".join(progress.waiting_for) or "no member"
        print(
            f"{progress.written_bytes / 1e6:6.0f} MB written in {progress.seconds:3.0f} s; still there on {left}",
            flush=True,
        )

    done = roll_over(lab["uri"], options.past, timeout_seconds=options.timeout, on_progress=show)
    print(json.dumps({"past": _pair(done.past), "oldest": {address: _pair(ts) for address, ts in done.oldest.items()}}))
    return 0


def _pair(timestamp: Timestamp) -> dict[str, int]:
    return {"time": timestamp.time, "increment": timestamp.inc}


def parse_timestamp(text: str) -> Timestamp:
    """Read `TIME,INCREMENT`."""
    time, _, increment = text.partition(",")
    return Timestamp(int(time), int(increment))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--directory", type=Path, required=True, help="where the lab lives; lab.json appears when it is up"
    )
    start = commands.add_parser("up", parents=[common], help="start a replica set and keep it up until SIGTERM")
    start.add_argument("--name", default="rs0")
    start.add_argument("--members", type=int, default=3, help="all of them, hidden ones included")
    start.add_argument("--hidden", type=int, default=0, help="how many of them are hidden, with priority 0")
    start.add_argument("--oplog-mb", type=int, default=64)
    start.add_argument("--election-timeout-ms", type=int, default=2000, help="longer where the machine is busy")
    start.add_argument("--auth", action="store_true", help="with the users root and backup, see lab.json")
    start.add_argument("--seed-mb", type=float, default=0, help="load so much data before lab.json appears")
    start.add_argument("--writer", type=float, default=0, metavar="RATE", help="keep writing, operations per second")
    start.add_argument("--mix", type=parse_mix, default=dict(DEFAULT_MIX), help="what to write: KIND=WEIGHT,…")
    start.set_defaults(run=up)
    commands.add_parser("down", parents=[common], help="stop it and wait until it is gone").set_defaults(run=down)
    commands.add_parser("status", parents=[common], help="print members, oplog windows, writer").set_defaults(
        run=status
    )
    over = commands.add_parser("roll-over", parents=[common], help="write until old oplog entries are gone everywhere")
    over.add_argument("--past", type=parse_timestamp, metavar="TIME,INCREMENT", help="default: all entries of now")
    over.add_argument("--timeout", type=float, default=120, metavar="SECONDS")
    over.set_defaults(run=roll)
    return parser


def main() -> int:
    options = _parser().parse_args()
    try:
        code: int = options.run(options)
    except (LabError, PyMongoError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
