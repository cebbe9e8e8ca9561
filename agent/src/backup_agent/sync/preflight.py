"""Would a resync succeed? Each check is one line: what was found, and what to do. Nothing is changed by looking.

The rate is measured by copying for a few seconds into a throw-away mongod, the way the sync will: reading alone would promise
too much.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent.config import Config
from backup_agent.errors import AgentError, BadConfiguration, PreflightFailed, Transient, Unsupported
from backup_agent.head import HeadFailed, Mongod, mongod_version
from backup_agent.machine import disks
from backup_agent.namespaces import split
from backup_agent.replay.catalogue import Catalogue
from backup_agent.repository import inventory
from backup_agent.source import tested
from backup_agent.source.connections import SourceSet, asked, member_majority
from backup_agent.source.oplog import oplog_use
from backup_agent.source.topology import Topology
from backup_agent.state.store import STEPS
from backup_agent.sync.collections import describe_collections
from backup_agent.sync.copying import Copier, Moved, Tally
from backup_agent.values import Client, Json

SAMPLE_SECONDS = 3.0
MARGIN = 2.0
"""The window must be this many times the estimated sync: indexes are built and validation reads everything again."""

Tick = Callable[[], None]


def _check(name: str, ok: bool, detail: str, remedy: str) -> Json:
    return {"name": name, "ok": ok, "detail": detail, "remedy": "" if ok else remedy}


def plan(config: Config, sources: SourceSet, data_directory: Path, tick: Tick) -> Json:
    """Return the plan of a resync with every check; see docs/agent-cli.md. Checks that need a source are left out without one."""
    result: Json = {
        "checks": [],
        "source": None,
        "why_source": None,
        "members": [],
        "data_bytes": None,
        "rate_bytes_per_second": None,
        "estimated_sync_seconds": None,
        "window_seconds": None,
        "steps": list(STEPS["resync"]),
        "warnings": [],
    }
    topology = _check_topology(sources, result)
    _check_repository(config, result)
    chosen = topology.choose() if topology else None
    if topology is None or chosen is None:
        return result
    client = sources.client(chosen.member)
    result |= {"source": chosen.member, "why_source": topology.why()}
    try:
        _check_version(config, client, result)
        collections = _check_collections(client, result)
        _check_disk(data_directory, config.disk_reserve_bytes, result)
        if all(check["ok"] for check in result["checks"]):
            _check_window(config, client, chosen.member, collections, result, tick)
    except (PyMongoError, Transient) as error:
        result["checks"].append(
            _check("source", False, f"{chosen.member}: {str(error)[:200]}", "see why it does not answer")
        )
    return result


def require_passed(plan: Json, /, **details: Any) -> None:
    """Raise PreflightFailed, which names every check of a plan that failed and what to do, unless all of them passed."""
    failed = [check for check in plan["checks"] if not check["ok"]]
    if failed:
        text = "; ".join(f"{check['name']}: {check['detail']}; {check['remedy']}" for check in failed)
        raise PreflightFailed(text, checks=failed, **details)


def _check_topology(sources: SourceSet, result: Json) -> Topology | None:
    remedy = "see that the set is healthy, then start again"
    try:
        topology = sources.topology()
    except AgentError as error:
        result["checks"].append(_check("source", False, error.message, "correct source.* or start the members"))
        return None
    result["members"] = [member.as_json() for member in topology.members]
    found = f"{topology.primary} is the primary" if topology.primary else "the set has no primary"
    result["checks"].append(_check("primary", topology.primary is not None, found, remedy))
    result["checks"].append(
        _check(
            "secondary",
            topology.choose() is not None,
            topology.why(),
            "bring a secondary up, or raise source.max_lag_seconds",
        )
    )
    return topology


def _check_repository(config: Config, result: Json) -> None:
    try:
        detail = inventory.summary(config)
        result["checks"].append(_check("repository", True, detail, ""))
    except AgentError as error:
        result["checks"].append(_check("repository", False, error.message, "correct repository.*"))


def _check_version(config: Config, client: Client, result: Json) -> None:
    source = asked("buildInfo", lambda: client.admin.command("buildInfo"))["version"]
    try:
        head = mongod_version(config.head.mongod)
    except BadConfiguration as error:
        result["checks"].append(_check("head", False, error.message, "install a mongod and name it in head.mongod"))
        return
    same = source.split(".")[:2] == head.split(".")[:2]
    remedy = f"set head.mongod to a mongod {'.'.join(source.split('.')[:2])}"
    found = f"the source runs MongoDB {source}, the head {head}"
    result["checks"].append(_check("head", same, found, remedy))
    text = tested.warning(source)
    result["warnings"] = [text] if text else []


def _check_collections(client: Client, result: Json) -> list[Json]:
    try:
        collections = describe_collections(client)
    except Unsupported as error:
        result["checks"].append(
            _check("collections", False, error.message, "see what cannot be replayed yet in the README")
        )
        return []
    size = sum(c["bytes"] for c in collections)
    result["data_bytes"] = size
    result["checks"].append(_check("collections", True, f"{len(collections)} collections, {size} bytes", ""))
    return collections


def _check_disk(directory: Path, reserve: int, result: Json) -> None:
    """The reserve must stay free at the end: a sync that gets to it waits for room."""
    free = shutil.disk_usage(directory).free
    needed = disks.sync_bytes(result["data_bytes"] or 0) + disks.stays_free(reserve)
    detail = f"{directory}: {free} bytes free, {needed} needed (a second head, the scratch copy of the proof, slices)"
    result["checks"].append(_check("disk", free >= needed, detail, f"free {max(0, needed - free)} bytes there"))


def _check_window(
    config: Config, client: Client, member: str, collections: list[Json], result: Json, tick: Tick
) -> None:
    window = oplog_use(client).window_seconds
    try:
        rate = measure_rate(config, client, collections, tick)
    except (HeadFailed, PyMongoError, OSError) as error:
        result["checks"].append(
            _check("rate", False, f"the trial copy failed: {error}", "see why the head's mongod does not run")
        )
        return
    needed = int(result["data_bytes"] / rate * MARGIN) + 1 if rate else 1
    result |= {"rate_bytes_per_second": rate, "estimated_sync_seconds": needed, "window_seconds": window}
    detail = f"the oplog of {member} holds {window} s, the sync needs about {needed} s (measured, with a margin of {MARGIN:g})"
    result["checks"].append(
        _check("window", window >= needed, detail, "enlarge the oplog (replSetResizeOplog) or write less meanwhile")
    )


def measure_rate(config: Config, client: Client, collections: list[Json], tick: Tick) -> int | None:
    """Copy the largest collection for a few seconds into a throw-away mongod; returns bytes a second, None without data."""
    sizes = [c for c in collections if c["ui"] is not None and c["bytes"] > 0]
    majority = member_majority(client)
    if not sizes or majority is None:
        return None
    largest = max(sizes, key=lambda c: int(c["bytes"]))
    config.socket_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=config.directory) as directory:
        socket = config.socket_directory / f"t{Path(directory).name[-6:]}.sock"
        scratch = Mongod(config.head.mongod, Path(directory), socket, config.head.cache_mb)
        try:
            scratch.start()
            return _trial(client, scratch, largest, majority.ts, tick)
        finally:
            scratch.kill()
            scratch.stop()
            socket.unlink(missing_ok=True)


def _trial(client: Client, scratch: Mongod, collection: Json, after: Timestamp, tick: Tick) -> int | None:
    ui = bytes.fromhex(collection["ui"])
    database, name = split(collection["namespace"])
    info = next(iter(client[database].list_collections(filter={"name": name})), None)
    if info is None:
        return None
    Catalogue(scratch.client, strict=False).create(
        ui, collection["namespace"], info.get("options", {}), info.get("idIndex")
    )
    began = time.monotonic()

    def late() -> bool:
        tick()
        return time.monotonic() - began > SAMPLE_SECONDS

    tally = Tally()
    try:
        Copier(client, scratch.client, after, tally, late).copy(collection["namespace"], ui)
    except Moved:
        return None
    return int(tally.bytes / max(time.monotonic() - began, 0.001))
