"""Snapshots: a copy of the head at one optime in the restic repository, and which of them are kept."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent import failpoints
from backup_agent.compare import manifest
from backup_agent.config import Config
from backup_agent.errors import AgentError, BadConfiguration, NotFound, OperationFailed, Refused, Transient
from backup_agent.head import alive_or_transient
from backup_agent.replay.apply import PositionStore
from backup_agent.repository.agreement import require_same
from backup_agent.repository.failures import Locked, ResticFailed
from backup_agent.repository.inventory import is_of, origin, stamp, tags_of
from backup_agent.repository.restic import Restic, Stored, cache_of
from backup_agent.state.records import Snapshot
from backup_agent.state.store import Store
from backup_agent.state.work import Work
from backup_agent.times import now_iso, show, unix_seconds
from backup_agent.values import Client
from backup_agent.words import words

MANIFEST = "manifest.json"
DATA = "data"
EXCLUDED = ("mongod.lock", "diagnostic.data", "WiredTigerPreplog.*", "WiredTigerTmplog.*")
"""Belongs to the running process, or is an empty file that the engine makes ahead and removes at any time."""

BACKUP_FILE = "WiredTiger.backup"
"""Written by the engine when the fsync lock opens its backup cursor: opening a copy without it may lose the checkpoint."""

SETTLE_SECONDS = 60
SCHEDULED = "scheduled-"
"""The names of snapshots that the schedule takes begin so, and no others do."""
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:-]*\Z")


def repository(work: Work) -> Restic:
    """Return the job's repository, with its cache inside the job's directory."""
    return Restic(work.config.repository, work.config.directory / "restic-cache")


# Taking one ---------------------------------------------------------------------------------------------------------------


def take(work: Work, name: str, prove_wanted: bool) -> Snapshot:
    """Take a snapshot of the head and return it; one of that name that is there already is returned as it is.

    The head stands still meanwhile and is unlocked at the end, whatever happens. What restic has under this name and the store
    does not know is what a crash left: it is forgotten first. Raises Refused for a name that cannot be a tag, Transient,
    OperationFailed, Canceled, Shutdown.
    """
    if not NAME.match(name):
        raise Refused(f"expected a name of letters, digits and _ . : -, found {name!r}; choose another")
    known = work.store.snapshot(name)
    if known is not None:
        return known
    restic, tags = repository(work), (f"job={work.config.job}", f"name={name}")
    ensure_unlocked(work.head.client)
    there = restic.prepare(*tags, first_use=not work.store.stored_snapshots(), tick=work.alive)
    require_same(work.store, restic, work.alive)
    left = [found for found in there if is_of(tags_of(found), work.store.identity)]
    if len(left) < len(there):
        others = ", ".join(sorted({tags_of(found)["agent"] for found in there if found not in left}))
        raise Refused(
            f"expected a name that is free in the repository, found snapshot {name} of another agent of a job "
            f"{work.config.job} there ({others}); choose another name, or give this job a repository of its own"
        )
    restic.forget([found.id for found in left], work.alive, prune=False)
    optime = work.pause_at_latest()
    _write_manifest(work, optime, prove_wanted)
    failpoints.reach("snapshot.manifest", directory=work.head.directory)
    with locked(work.head.client, work.head.dbpath):
        failpoints.reach("snapshot.locked", directory=work.head.directory)
        stored = _upload(work, restic, [*tags, *_optime_tags(work, optime.ts)])
    failpoints.reach("snapshot.stored", directory=work.head.directory)
    return _record(work, name, optime.ts, stored)


def _write_manifest(work: Work, optime: Any, digests: bool) -> None:
    client = work.head.client
    read: dict[str, int] = {}
    total = max(1, _estimate(client))

    def progress(namespace: str, documents: int) -> None:
        read[namespace] = documents
        work.tick("manifest", min(sum(read.values()), total), total, "documents", f"reading {namespace}")

    try:
        built = manifest.build(
            client, job=work.config.job, generation=work.generation, optime=optime, digests=digests, progress=progress
        )
    except PyMongoError as error:
        alive_or_transient(work.head)
        raise Transient(f"manifest: expected the head to be read, found: {words(error)}") from error
    manifest.save(built, work.head.directory / MANIFEST)


def _estimate(client: Client) -> int:
    entries = manifest.describe(client).values()
    names = [entry.namespace.partition(".") for entry in entries if entry.kind == manifest.COLLECTION]
    return sum(client[database][collection].estimated_document_count() for database, _, collection in names)


def _upload(work: Work, restic: Restic, tags: Sequence[str]) -> Stored:
    reached = False

    def progress(done: int, total: int) -> None:
        nonlocal reached
        if not reached:
            reached = True
            failpoints.reach("snapshot.uploading", directory=work.head.directory)
        work.tick("upload", done, max(done, total), "bytes")

    job = work.config.job
    tags = [*tags, *origin(work.store, work.generation)]
    stored = restic.backup(
        work.head.directory, [DATA, MANIFEST], host=job, tags=tags, exclude=EXCLUDED, progress=progress, tick=work.alive
    )
    return restic.whole(stored, f"job={job}", work.alive)


def _optime_tags(work: Work, optime: Timestamp) -> list[str]:
    """Say in the repository itself where the copy stands, and from where replay on it must read."""
    loaded = PositionStore(work.head.client).load()
    reads_from = (loaded[0].open_from if loaded else None) or optime
    return [f"optime={stamp(optime)}", f"from={stamp(reads_from)}"]


def _record(work: Work, name: str, at: Timestamp, stored: Stored) -> Snapshot:
    snapshot = Snapshot(
        name=name,
        id=uuid.uuid4().hex[:12],
        generation=work.generation,
        optime=at,
        created_at=now_iso(),
        state="good",
        held=False,
        proven_at=None,
        **asdict(stored),
    )
    work.store.add_snapshot(snapshot)
    return snapshot


# The lock ------------------------------------------------------------------------------------------------------------------


def ensure_unlocked(client: Client) -> None:
    """Take back every fsync lock: one that an agent left when it died would stop the head's writes for ever."""
    while client.admin.command("currentOp").get("fsyncLock"):
        client.admin.command("fsyncUnlock")


@contextmanager
def locked(client: Client, dbpath: Path) -> Iterator[None]:
    """Hold the fsync lock, with a checkpoint that has everything and the file that makes the directory copyable.

    Raises Transient when the checkpoint does not catch up, OperationFailed when the file does not appear.
    """
    try:
        _lock(client)
        if not (dbpath / BACKUP_FILE).exists():
            raise OperationFailed(
                f"expected {BACKUP_FILE} in {dbpath} while the head is fsync-locked, found none; a copy could not be trusted: "
                "use a mongod whose engine is WiredTiger"
            )
        yield
    finally:
        ensure_unlocked(client)


def _lock(client: Client) -> None:
    """Lock at a checkpoint that is not older than what has been applied.

    A standalone opens the last checkpoint and replays no oplog. The checkpoint is taken at the stable timestamp, which
    follows the majority commit point with a delay, so that "applied" alone does not mean "in the checkpoint".
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    wanted = client.admin.command("replSetGetStatus")["optimes"]["appliedOpTime"]["ts"]
    while True:
        client.admin.command("fsync")  # most of the writing happens before the lock
        client.admin.command("fsync", lock=True)
        stable = client.admin.command("replSetGetStatus").get("lastStableRecoveryTimestamp")
        if stable is not None and stable >= wanted:
            return
        ensure_unlocked(client)
        if time.monotonic() > deadline:
            raise Transient(
                f"expected the head's checkpoint to reach {show(wanted)}, found {show(stable)}; it is tried again"
            )
        time.sleep(0.1)


# Keeping them --------------------------------------------------------------------------------------------------------------


def known(store: Store, name: str) -> Snapshot:
    """Return a snapshot by name. Raises NotFound."""
    found = store.snapshot(name)
    if found is None:
        raise NotFound(f"expected the name of a snapshot, found {name!r}; `backup-agent snapshots` lists them")
    return found


def remove(
    config: Config, store: Store, name: str, within: str | None = None, tick: Callable[[], None] = lambda: None
) -> bool:
    """Remove a snapshot from the repository and from the store; returns whether there was one.

    It leaves the list first, then the repository, then the store: whatever ends this in between leaves no snapshot in the list
    that restic no longer has, and the next snapshot, or another call, goes on from there. Where restic could not remove it, it is
    in the list again. `within` is the operation that this is a part of. Raises OperationOpen while another one is open,
    Refused when it is held, and what restic's errors mean.
    """
    found = store.begin_removal(name, within)
    if found is None:
        return False
    failpoints.reach("removal.begun")
    with cache_of(config.directory) as cache:
        restic = Restic(config.repository, cache)
        try:
            restic.forget([found.restic_id], tick)
        except (BadConfiguration, Transient, ResticFailed) as error:
            if _still_has(restic, found.restic_id, error):
                store.undo_removal(found)
            raise
    failpoints.reach("removal.forgotten")
    store.end_removal(found.restic_id)
    return True


def _still_has(restic: Restic, restic_id: str, error: AgentError) -> bool:
    """Say whether the repository surely has a snapshot that it was to forget, after the error that this ended with."""
    if isinstance(error, (BadConfiguration, Locked)):
        return True  # restic says so before it removes anything
    try:
        return any(listed.id.startswith(restic_id) for listed in restic.snapshots())
    except AgentError:
        return False


def retention(snapshots: Sequence[Snapshot], keep_last: int, by_schedule: bool = False) -> list[str]:
    """Return the names of the snapshots to remove, oldest first. Pure.

    Kept are the newest `keep_last` good ones, every held one, the newest proven one, and what is younger than the oldest of the
    good ones that are kept (a bad one can be looked into until then). Without a good one nothing is removed.

    `by_schedule` counts those alone that the schedule has taken: else somebody who may take snapshots could make as many as it
    needs to push all others out.
    """
    newest_first = sorted(snapshots, key=lambda s: s.created_at, reverse=True)
    good = [s for s in newest_first if s.state == "good"]
    if not good:
        return []
    counted = [s for s in good if s.name.startswith(SCHEDULED)] if by_schedule else good
    if by_schedule and len(counted) < keep_last:
        return []
    proven = next((s for s in good if s.proven_at), None)
    horizon = newest_first.index(counted[:keep_last][-1])
    old = newest_first[horizon + 1 :]
    return [s.name for s in reversed(old) if not s.held and s is not proven]


def due(snapshots: Sequence[Snapshot], interval_hours: float, now: datetime) -> bool:
    """Return whether the schedule wants a snapshot now (0 hours: never). Pure.

    Times in the future, which a corrected clock leaves behind, do not count.
    """
    if interval_hours <= 0:
        return False
    ages = [now.timestamp() - unix_seconds(s.created_at) for s in snapshots]
    newest = min((age for age in ages if age >= 0), default=None)
    return newest is None or newest >= interval_hours * 3600
