"""Would a resync succeed? Each check is one line: what was found, and what to do. The preflight changes nothing.

The rate is measured by copying for a few seconds into a throw-away mongod, the way the sync will: reading alone would promise
too much.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent.config import Config
from backup_agent.errors import AgentError, BadConfiguration, PreflightFailed, Transient, Unsupported
from backup_agent.head import HeadFailed, Mongod, mongod_version
from backup_agent.machine import disks
from backup_agent.namespaces import Whereabouts
from backup_agent.replay.catalogue import Catalogue
from backup_agent.repository import inventory
from backup_agent.source import tested
from backup_agent.source.answers import asked
from backup_agent.source.connections import SourceSet
from backup_agent.source.member import member_majority
from backup_agent.source.oplog import oplog_use
from backup_agent.source.topology import MemberFacts, Topology
from backup_agent.state.records import STEPS, Copied
from backup_agent.sync.copying import Copier, Moved, Tally, describe_collections, prepare
from backup_agent.values import Check, Client, Record
from backup_agent.words import words

SAMPLE_SECONDS = 3.0
TRIAL = "trial-"
"""How the directories of trial copies begin."""

MARGIN = 2.0
"""The window must be this many times the estimated sync: indexes are built and validation reads everything again."""

Tick = Callable[[], None]


@dataclass(slots=True)
class Plan(Record):
    """The plan of a resync, which grows with each check (see docs/agent-cli.md); what could not be looked at is None."""

    checks: list[Check] = field(default_factory=list)
    source: str | None = None
    why_source: str | None = None
    members: tuple[MemberFacts, ...] = ()
    data_bytes: int | None = None
    rate_bytes_per_second: int | None = None
    estimated_sync_seconds: int | None = None
    window_seconds: int | None = None
    steps: tuple[str, ...] = STEPS["resync"]
    warnings: tuple[str, ...] = ()

    def check(self, name: str, ok: bool, detail: str, remedy: str) -> None:
        """Note what was looked at, and what to do if it is not in order."""
        self.checks.append(Check(name, ok, detail, "" if ok else remedy))

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.ok]

    def require_passed(self, **details: Any) -> None:
        """Raise PreflightFailed, which names every check that failed and what to do, unless all of them passed."""
        if self.failed:
            text = "; ".join(f"{check.name}: {check.detail}; {check.remedy}" for check in self.failed)
            raise PreflightFailed(text, checks=self.failed, **details)


def plan(config: Config, sources: SourceSet, data_directory: Path, tick: Tick) -> Plan:
    """Return the plan of a resync with every check. Checks that need a source are left out without one."""
    result = Plan()
    topology = _check_topology(sources, result)
    _check_repository(config, result)
    chosen = topology.choose() if topology else None
    if topology is None or chosen is None:
        return result
    client = sources.client(chosen.member)
    result.source, result.why_source = chosen.member, topology.why()
    try:
        _check_version(config, client, result)
        collections = _check_collections(client, result)
        _check_disk(data_directory, config.disk_reserve_bytes, result)
        if not result.failed:
            _check_window(config, client, chosen.member, collections, result, tick)
    except (PyMongoError, Transient) as error:
        result.check("source", False, f"{chosen.member}: {words(error)[:200]}", "see why it does not answer")
    return result


def _check_topology(sources: SourceSet, result: Plan) -> Topology | None:
    remedy = "see that the set is healthy, then start again"
    try:
        topology = sources.topology()
    except AgentError as error:
        result.check("source", False, error.message, "correct source.* or start the members")
        return None
    result.members, result.warnings = topology.members, topology.warnings
    found = f"{topology.primary} is the primary" if topology.primary else "the set has no primary"
    result.check("primary", topology.primary is not None, found, remedy)
    remedy = "bring a secondary up, or raise source.max_lag_seconds"
    result.check("secondary", topology.choose() is not None, topology.why(), remedy)
    return topology


def _check_repository(config: Config, result: Plan) -> None:
    try:
        result.check("repository", True, inventory.summary(config), "")
    except AgentError as error:
        result.check("repository", False, error.message, "correct repository.*")


def _check_version(config: Config, client: Client, result: Plan) -> None:
    source = asked("buildInfo", lambda: client.admin.command("buildInfo"))["version"]
    try:
        head = mongod_version(config.head.mongod)
    except BadConfiguration as error:
        result.check("head", False, error.message, "install a mongod and name it in head.mongod")
        return
    same = source.split(".")[:2] == head.split(".")[:2]
    remedy = f"set head.mongod to a mongod {'.'.join(source.split('.')[:2])}"
    found = f"the source runs MongoDB {source}, the head {head}"
    result.check("head", same, found, remedy)
    result.warnings += tested.warnings(source)


def _check_collections(client: Client, result: Plan) -> list[Copied]:
    try:
        collections = describe_collections(client)
    except Unsupported as error:
        result.check("collections", False, error.message, "docs/fidelity.md says what cannot be replayed")
        return []
    size = sum(c.bytes for c in collections)
    result.data_bytes = size
    result.check("collections", True, f"{len(collections)} collections, {size} bytes", "")
    return collections


def _check_disk(directory: Path, reserve: int, result: Plan) -> None:
    """The reserve must stay free at the end: a sync that gets to it waits for room."""
    free = shutil.disk_usage(directory).free
    needed = disks.sync_bytes(result.data_bytes or 0) + disks.stays_free(reserve)
    detail = f"{directory}: {free} bytes free, {needed} needed (a second head, the scratch copy of the proof, slices)"
    result.check("disk", free >= needed, detail, f"free {max(0, needed - free)} bytes there")


def _check_window(
    config: Config, client: Client, member: str, collections: list[Copied], result: Plan, tick: Tick
) -> None:
    window = oplog_use(client).window_seconds
    try:
        rate = measure_rate(config, client, collections, tick)
    except (HeadFailed, PyMongoError, OSError) as error:
        result.check("rate", False, f"the trial copy failed: {words(error)}", "see why the head's mongod does not run")
        return
    needed = int((result.data_bytes or 0) / rate * MARGIN) + 1 if rate else 1
    result.rate_bytes_per_second, result.estimated_sync_seconds, result.window_seconds = rate, needed, window
    detail = f"the oplog of {member} holds {window} s, the sync needs about {needed} s (measured, with a margin of {MARGIN:g})"
    result.check("window", window >= needed, detail, "enlarge the oplog (replSetResizeOplog) or write less meanwhile")


def measure_rate(config: Config, client: Client, collections: list[Copied], tick: Tick) -> int | None:
    """Copy the largest collection for a few seconds into a throw-away mongod; returns bytes a second, None without data."""
    sizes = [c for c in collections if not c.view and c.bytes > 0]
    majority = member_majority(client)
    if not sizes or majority is None:
        return None
    largest = max(sizes, key=lambda c: c.bytes)
    config.socket_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=TRIAL, dir=config.directory) as directory:
        socket = config.socket_directory / f"t{Path(directory).name[-6:]}.sock"
        scratch = Mongod(config.head.mongod, Path(directory), socket, config.head.cache_mb)
        try:
            scratch.start()
            return _trial(client, scratch, largest, majority, tick)
        finally:
            scratch.remove()


def _trial(client: Client, scratch: Mongod, collection: Copied, after: Timestamp, tick: Tick) -> int | None:
    if not prepare(client, scratch.client, Catalogue(scratch.client, strict=False), collection, Whereabouts(client)):
        return None
    began = time.monotonic()

    def late() -> bool:
        tick()
        return time.monotonic() - began > SAMPLE_SECONDS

    tally = Tally()
    try:
        Copier(client, scratch.client, after, tally, late).copy(collection.namespace, collection.uuid)
    except Moved:
        return None
    return int(tally.bytes / max(time.monotonic() - began, 0.001))
