"""Runs the demo: bin/demo does the setting up and then calls this."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from lab.demo import proof
from lab.demo.screen import fact, heading, say, tell
from lab.demo.surroundings import INVENTORY, JOB, ROOT, VARIABLE, WRITES_PER_SECOND, Surroundings
from lab.errors import LabError
from lab.rollover import Progress, roll_over

if TYPE_CHECKING:
    from types import FrameType

    from lab.demo.agent import Status

REPORTS = ROOT / "reports"


def begin(here: Surroundings) -> dict[str, Any]:
    heading(1, "A replica set under load")
    tell(
        """Three real mongod processes on this machine, each with an oplog of only 16 MB, some data, and a writer that
        inserts, updates, deletes and runs transactions all the time."""
    )
    lab = here.start_replica_set()
    say(fact("replica set", lab["bare_uri"]))
    say(fact("data", _data(lab["uri"])))
    say(fact("writer", f"about {WRITES_PER_SECOND} writes a second, until the end of the demo"))
    say(fact("directory", str(here.directory)))
    return lab


def provision(here: Surroundings) -> None:
    heading(2, "A backup agent, its initial sync and a first snapshot")
    here.play("provision")
    agent = here.agent
    agent.wait("the initial sync", lambda status: status["state"] == "tailing", 180)
    try:
        status = agent.wait("a scheduled snapshot", _has_snapshot, 8)
    except LabError:
        _refuse_error(agent.call("snapshot", "--name", "first", "--owner", "demo"))
        status = agent.wait("the first snapshot", _has_snapshot, 120)
    snapshot = status["last_snapshot"]
    say(fact("snapshot", snapshot["name"] if isinstance(snapshot, dict) else str(snapshot)))
    say(fact("backup lag", f"{status['backup_lag_seconds']} s"))


def fall_behind(here: Surroundings, lab: dict[str, Any]) -> None:
    heading(3, "Maintenance takes too long: the agent is down while the oplog rolls over")
    here.agent.service("stop")
    shown = 0.0

    def show(progress: Progress) -> None:
        nonlocal shown
        if progress.seconds - shown >= 1 or not progress.waiting_for:
            shown = progress.seconds
            left = len(progress.waiting_for)
            say(f"  {progress.written_bytes / 1e6:4.0f} MB written; {left} of 3 members still have the agent's place")

    roll_over(lab["uri"], on_progress=show)
    here.agent.service("start")


def show_alert(here: Surroundings) -> None:
    heading(4, "The backup is out of sync: Resync Required")
    status = here.agent.wait("the alert", lambda known: bool(known["alerts"]), 90)
    alert = status["alerts"][0]
    say(fact("alert", f"{alert['kind']}, cause {alert['cause']}, since {alert['since']}"))
    detail = alert["detail"]
    say(fact("detail", str(detail.get("message", detail) if isinstance(detail, dict) else detail)))
    say(fact("verdict", f"{status['verdict']}: {'; '.join(map(str, status['reasons']))}"))
    if (alert["kind"], alert["cause"]) != ("resync_required", "oplog_rolled_over"):
        raise LabError(f"expected the alert resync_required with cause oplog_rolled_over; found {alert}")


def resync(here: Surroundings) -> None:
    heading(5, "The repair: one playbook, while the writer goes on")
    here.play("resync", "-e", "backup_confirm=yes")


@dataclass(frozen=True)
class Before:
    """What was known before the repair."""

    primary: str
    writes: dict[str, Any]


def prove(here: Surroundings, before: Before) -> None:
    heading(6, "The proof")
    time.sleep(1)  # the writer reports twice a second
    status = here.agent.status()
    last = status.get("last_resync") or {}
    if not last.get("operation"):
        raise LabError(f"expected status to name the last resync; found {last or 'none'}")
    operation = here.agent.operation(str(last["operation"]))
    evidence = proof.Evidence(operation, status, before.primary, before.writes, here.writes(), _report(operation))
    say("\n".join(proof.lines(evidence)))
    missing = proof.problems(evidence)
    if missing:
        raise LabError("the proof has holes: " + "; ".join(missing))


def run(here: Surroundings) -> None:
    """Break a backup and repair it."""
    lab = begin(here)
    provision(here)
    fall_behind(here, lab)
    show_alert(here)
    before = Before(_primary(lab["uri"]), here.writes())
    resync(here)
    prove(here, before)


def _has_snapshot(status: Status) -> bool:
    return status["last_snapshot"] is not None and status["operation"] is None


def _refuse_error(answer: dict[str, Any]) -> None:
    error = answer.get("error")
    if error and error.get("code") != "operation_open":
        raise LabError(f"the agent refused the snapshot: {error.get('message')}")


def _data(uri: str) -> str:
    with MongoClient[dict[str, Any]](uri) as client:
        stats = client.shop.command("dbStats")
    return f"{stats['objects']:,} documents in {stats['collections']} collections, {stats['dataSize'] / 1e6:.0f} MB"


def _primary(uri: str) -> str:
    with MongoClient[dict[str, Any]](uri) as client:
        return str(client.admin.command("hello")["me"])


def _report(operation: dict[str, Any]) -> str | None:
    fetched = REPORTS / JOB / f"{operation['id']}.html"
    return str(fetched) if fetched.exists() else None


def _how_to_look_around(here: Surroundings) -> str:
    agent = here.agent
    return f"""
Everything is still running. Look around:

  export {VARIABLE}={here.directory}
  {agent.command} --config {agent.config} status
  {agent.command} --config {agent.config} snapshots
  PYTHONPATH={ROOT} {sys.executable} -m lab status --directory {here.replica_set}
  cd {ROOT} && {Path(sys.executable).with_name("ansible-playbook")} -i {INVENTORY} playbooks/resync.yml --check

Stop it and remove its directory:

  bin/demo --stop {here.directory}"""


class _Interrupted(BaseException):
    """Somebody wants the demo to end."""


def _interrupt(number: int, _frame: FrameType | None) -> None:
    for other in _ENDINGS:
        signal.signal(other, signal.SIG_IGN)  # stopping everything is not to be interrupted
    raise _Interrupted(signal.Signals(number).name)


_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def demo(keep: bool) -> int:
    """Run it, stop everything, and return the exit code."""
    started = time.monotonic()
    here = Surroundings.create(keep)
    for number in _ENDINGS:
        signal.signal(number, _interrupt)
    failure = ""
    try:
        run(here)
    except _Interrupted as interruption:
        failure = f"stopped by {interruption}"
    except (LabError, PyMongoError, OSError, KeyError, subprocess.SubprocessError) as error:
        failure = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
    if keep and not failure:
        say(_how_to_look_around(here))
        return 0
    code = _end(here, failure)
    if code == 0:
        say(f"  The demo took {time.monotonic() - started:.0f} s. The report stays in {REPORTS / JOB}.")
    return code


def _end(here: Surroundings, failure: str = "") -> int:
    heading(7, "Everything is stopped")
    try:
        here.stop()
    except (LabError, OSError, subprocess.SubprocessError) as error:
        failure = "; ".join(filter(None, [failure, str(error)]))
    if failure:
        say(
            f"\nThe demo failed: {failure}\nLogs: {here.logs}, {here.directory}/agent/supervisor/log, {here.replica_set}"
        )
        return 1
    shutil.rmtree(here.directory, ignore_errors=True)
    say(f"  No process is left; {here.directory} is removed.")
    return 0


def stop(directory: Path) -> int:
    """Stop a demo that was kept, and remove it."""
    if not (directory / "repository.password").exists():
        say(f"expected the directory of a demo; found {directory}; bin/demo --keep says which one it is")
        return 2
    return _end(Surroundings(directory.resolve()))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bin/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end")
    parser.add_argument("--stop", type=Path, metavar="DIRECTORY", help="stop a demo that was kept")
    options = parser.parse_args()
    return stop(options.stop) if options.stop else demo(options.keep)


if __name__ == "__main__":
    sys.exit(main())
