"""Proof of a snapshot: it is restored, started and compared with its manifest, document by document."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bson.errors import BSONError
from pymongo.errors import PyMongoError

from backup_agent import failpoints
from backup_agent.compare import digest, manifest
from backup_agent.compare.manifest import Manifest, Mismatch
from backup_agent.errors import NoRoom, OperationFailed, Refused, Transient
from backup_agent.head import HeadFailed, Mongod, make_plain, point_nowhere
from backup_agent.machine.disks import used_bytes
from backup_agent.repository.failures import ResticFailed, Strange
from backup_agent.repository.snapshot import MANIFEST, known, repository
from backup_agent.state.documents import noted
from backup_agent.state.records import Snapshot
from backup_agent.state.room import Place
from backup_agent.state.work import Work
from backup_agent.times import now_iso
from backup_agent.values import Client, Record
from backup_agent.words import words

SOCKET = "scratch.sock"
NAMED_DIFFERENCES = 20


DAMAGED = (
    "verification failed",
    "does not match",
    "not found in",
    "invalid data",
    "corrupt",
    "no such file",
    "decrypt",
)
"""Words in restic's errors which mean that stored data has changed."""


class _Unrestorable(OperationFailed):
    """The snapshot cannot be used at all."""


@dataclass(frozen=True, slots=True)
class Proof(Record):
    """What a proof has found: how much was compared, and a sentence for each difference."""

    equal: bool
    snapshot: str
    collections: int
    documents: int
    differences: tuple[str, ...]


def prove(work: Work, name: str) -> Proof:
    """Restore a snapshot into a scratch mongod, compare it with its manifest and record that it is proven.

    The head goes on applying meanwhile; the scratch copy is removed at the end, whatever happens. A snapshot that differs or
    does not start is marked bad. Raises NotFound, Refused (taken without digests), Transient (no room, no repository),
    OperationFailed that names collections, indexes and documents, Canceled, Shutdown.
    """
    snapshot = known(work.store, name)
    scratch = work.config.scratch / name
    _require_room(scratch, snapshot, work.config.disk_reserve_bytes)
    try:
        with _restored(work, snapshot, scratch) as (client, expected):
            found = _compare(work, client, expected)
            with _unrestorable("the restored copy cannot be made to lead nowhere: ", PyMongoError, BSONError):
                point_nowhere(client)  # the last thing that a restore does, and the compared list is no longer needed
    except _Unrestorable as error:
        work.store.update_snapshot(name, state="bad", proven_at=None)
        raise OperationFailed(
            f"snapshot {name} cannot be restored: {error}; take another one", snapshot=name
        ) from error
    result = Proof(not found, name, expected.count, expected.documents, tuple(found))
    _conclude(work, result)
    return result


def _conclude(work: Work, result: Proof) -> None:
    work.note(proof=result)
    if result.equal:
        work.store.update_snapshot(result.snapshot, state="good", proven_at=now_iso())
        return
    work.store.update_snapshot(result.snapshot, state="bad", proven_at=None)
    found = result.differences
    raise OperationFailed(
        f"snapshot {result.snapshot}: expected a restored copy equal to its manifest, found {len(found)} differences: "
        f"{'; '.join(found[:3])}; take another snapshot, and resync if that one differs too",
        **result.to_json(),
    )


def _require_room(scratch: Path, snapshot: Snapshot, reserve: int) -> None:
    scratch.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = int(snapshot.bytes_total * 1.1) + reserve
    place = Place("directory", scratch.parent, shutil.disk_usage(scratch.parent).free, wanted)
    if place.full:
        raise place.error


def _busy(work: Work) -> None:
    """Let the head go on. An error of the head must not be taken for one of the copy."""
    work.alive()
    try:
        work.apply_some()
    except PyMongoError as error:
        raise Transient(
            f"proof: expected the head to go on applying, found: {words(error)}; it is tried again"
        ) from error


@contextlib.contextmanager
def _restored(work: Work, snapshot: Snapshot, scratch: Path) -> Iterator[tuple[Client, Manifest]]:
    """Yield the client of the restored, cleaned copy and the manifest that came with it."""
    socket = work.config.socket_directory / SOCKET
    mongod = Mongod(work.config.head.mongod, scratch, socket, work.config.head.cache_mb, replica_set=False)
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        _restore(work, snapshot, scratch)
        failpoints.reach("proof.restored", directory=scratch)
        with _unrestorable("", OperationFailed):
            expected = manifest.load(scratch / MANIFEST)
        if not expected.digests:
            raise Refused(
                f"snapshot {snapshot.name}: expected one that was taken to be proven, found no digests in its manifest; "
                "take a new one with --prove"
            )
        with _unrestorable("the restored copy does not start: ", HeadFailed, PyMongoError):
            client = mongod.start()
            make_plain(client)
        failpoints.reach("proof.started", directory=scratch, socket=socket)
        yield client, expected
    except _Unrestorable as error:
        _excuse(mongod, scratch, work.config.disk_reserve_bytes, error)
        raise
    finally:
        mongod.remove()


def _excuse(mongod: Mongod, scratch: Path, reserve: int, error: _Unrestorable) -> None:
    """Raise Transient or NoRoom where the failure says nothing about the snapshot."""
    if mongod.was_killed:
        raise Transient(f"proof: the scratch mongod was killed ({error}); it is tried again") from error
    if shutil.disk_usage(scratch).free < reserve:
        raise NoRoom(f"proof: the disk of {scratch} is full ({error}); make room", "directory") from error


@contextlib.contextmanager
def _unrestorable(what: str, *errors: type[Exception]) -> Iterator[None]:
    """Say of these errors that the snapshot cannot be used."""
    try:
        yield
    except errors as error:
        raise _Unrestorable(f"{what}{words(error)}") from error


def _restore(work: Work, snapshot: Snapshot, scratch: Path) -> None:
    total = max(1, snapshot.bytes_total)

    def tick() -> None:
        _busy(work)
        work.tick("restore", min(total, used_bytes(scratch)), total, "bytes")

    scratch.mkdir(parents=True, mode=0o700)
    try:
        repository(work).restore(snapshot.restic_id, scratch, tick)
    except NoRoom as error:
        raise NoRoom(error.message, "directory", **error.details) from error  # restic only reads its repository here
    except ResticFailed as error:
        if isinstance(error, Strange) or any(word in str(error).lower() for word in DAMAGED):
            raise _Unrestorable(str(error)) from error
        raise  # restic was killed, or refused: that says nothing about what is stored


def _compare(work: Work, client: Client, expected: Manifest) -> list[str]:
    total = max(1, expected.documents)
    read: dict[str, int] = {}

    def progress(namespace: str, documents: int) -> None:
        read[namespace] = documents
        _busy(work)
        work.tick("compare", min(total, sum(read.values())), total, "documents", f"comparing {namespace}")

    with _unrestorable("the restored copy could not be read: ", PyMongoError):
        found = manifest.mismatches(expected, client, progress)
    named = NAMED_DIFFERENCES if expected.generation == work.generation else 0
    return [_with_documents(work, client, m) for m in found[:named]] + [m.text for m in found[named:]]


def _with_documents(work: Work, client: Client, mismatch: Mismatch) -> str:
    """Add the documents to a sentence, as far as the head can tell: it has gone on since the snapshot."""
    if mismatch.span is None:
        return mismatch.text
    with contextlib.suppress(PyMongoError, HeadFailed):
        here = manifest.side(work.head.client, mismatch.namespace)
        there = manifest.side(client, mismatch.namespace)
        named = digest.differences(here, there, mismatch.span, each=work.alive)
        if named:
            known = (f"{one.kind} {noted(work.config.directory, mismatch.namespace, one.id)}" for one in named)
            return f"{mismatch.text}; compared with the head as it is now: {', '.join(known)}"
    return mismatch.text
