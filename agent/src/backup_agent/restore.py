"""Restore: a snapshot, or any optime inside a generation, into an empty directory.

Nothing but the repository and its password is needed. The snapshot is restored below `.restore` in the target, a private mongod
replays the stored slices on it up to the wanted optime, the way the head did, and what only the head needed is taken out. Then
the files are moved into place and `.restore` is removed: as long as it is there the restore was not finished, and beginning again
removes what it left.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent import failpoints
from backup_agent.apply import Applier, PositionStore, spool_directory
from backup_agent.catalogue import Catalogue
from backup_agent.errors import AgentError, OperationFailed, Refused, ResyncRequired
from backup_agent.head import Client, Mongod
from backup_agent.inventory import SLICES, Archive, Inventory, Snapshot, chain
from backup_agent.proof import make_plain
from backup_agent.restic import Restic
from backup_agent.slices import SliceReader, SliceWriter
from backup_agent.snapshot import MANIFEST, locked
from backup_agent.stream import Stream
from backup_agent.times import show, timestamp_json

WORKING = ".restore"
DATA = "data"
CACHE_MB = 256
ROOM_FACTOR = 1.1

Json = dict[str, Any]


class Reporter(Protocol):
    """Told how far the restore is; may raise to end it."""

    def __call__(self, phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
        """Report progress of a phase."""


@dataclass(frozen=True)
class Plan:
    """What is going to be restored: a snapshot, and the oplog that is replayed on it up to `until`."""

    snapshot: Snapshot
    archives: tuple[Archive, ...]
    until: Timestamp

    def as_json(self) -> Json:
        """Return the contract's form."""
        return {
            "snapshot": self.snapshot.name,
            "snapshot_optime": timestamp_json(self.snapshot.optime),
            "until": timestamp_json(self.until),
            "generation": self.snapshot.generation,
            "replayed_seconds": max(0, self.until.time - self.snapshot.optime.time),
        }


def whole_second(time: int) -> Timestamp:
    """Return the timestamp that stands for the end of a second: later than every entry of it."""
    return Timestamp(time, 2**32 - 1)


def plan(found: Inventory, name: str | None, at: Timestamp | None) -> Plan:
    """Choose what to restore: a snapshot by name, an optime, or with neither the newest optime that can be restored. Pure.

    Raises Refused, with the ranges that can be restored, and NotFound for a snapshot that is not there.
    """
    if name is not None and at is not None:
        raise Refused("expected a snapshot or a point in time, found both; name one of them")
    if name is not None:
        wanted = found.snapshot(name)
        return Plan(wanted, (), wanted.optime)
    ranges = found.ranges()
    if not ranges:
        raise Refused("expected a snapshot of the job in the repository, found none; see --job and the repository")
    until = at if at is not None else max(ranges, key=lambda r: (r.generation, r.until)).until
    for snapshot in sorted(found.snapshots, key=lambda s: (s.generation, s.optime), reverse=True):
        if snapshot.optime > until:
            continue
        if snapshot.optime == until:
            return Plan(snapshot, (), until)
        archives = chain(found.archives, snapshot.generation, snapshot.reads_from, until)
        if archives is not None:
            return Plan(snapshot, tuple(archives), until)
    text = "; ".join(str(r) for r in ranges)
    raise Refused(f"expected an optime that can be restored, found {show(until)}; what can be restored is: {text}")


@dataclass(frozen=True)
class Restorer:
    """One restore."""

    restic: Restic
    mongod: Path
    target: Path
    report: Reporter
    alive: Callable[[], None]

    def check(self) -> None:
        """Require an empty target, one that is not there, or what an unfinished restore left. Raises Refused."""
        if self.target.exists() and not self.target.is_dir():
            raise Refused(f"expected an empty directory as the target, found {self.target}; choose another")
        held = sorted(path.name for path in self.target.iterdir()) if self.target.exists() else []
        if held and WORKING not in held:
            raise Refused(
                f"expected an empty directory as the target, found {len(held)} files in {self.target}, {held[0]} for one; "
                "choose another directory, or empty this one"
            )

    def run(self, chosen: Plan) -> Json:
        """Restore what was chosen and return what the contract says of it.

        Raises Refused (the target), OperationFailed (no room, something damaged) or what restic's errors mean; the target is then
        left with `.restore` in it, and can be given again.
        """
        self.check()
        self._clear()
        working = self.target / WORKING
        self._require_room(chosen)
        self._download(chosen, working)
        failpoints.reach("restore.downloaded", directory=working)
        with tempfile.TemporaryDirectory(
            prefix="restore-"
        ) as sockets:  # a socket's path is short, a target's may be long
            socket = Path(sockets) / "r.sock"
            entries = self._replay(chosen, working, socket)
            failpoints.reach("restore.replayed", directory=working)
            self._make_plain(chosen, working, socket)
        self._move_into_place(working)
        return {**chosen.as_json(), "target": str(self.target), "entries": entries}

    def _clear(self) -> None:
        """Make the target, or remove what an unfinished restore left in it: the mark goes last."""
        self.target.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(self.target.iterdir(), key=lambda path: path.name == WORKING):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        (self.target / WORKING).mkdir(mode=0o700)

    def _require_room(self, chosen: Plan) -> None:
        size = self.restic.restore_size([chosen.snapshot.id, *(a.id for a in chosen.archives)], self.alive)
        free, needed = shutil.disk_usage(self.target).free, int(size * ROOM_FACTOR)
        if free < needed:
            raise OperationFailed(
                f"restore: expected {needed} bytes free in {self.target}, found {free}; make room or choose another directory"
            )

    def _download(self, chosen: Plan, working: Path) -> None:
        ids = [chosen.snapshot.id, *(a.id for a in chosen.archives)]
        for number, identifier in enumerate(ids):
            self.report("restore", number, len(ids), "downloads", f"{show(chosen.until)}: {number + 1} of {len(ids)}")
            # A slice that grew between two archives is in both: the later one, which has more of it, comes later.
            self.restic.restore(identifier, working, self.alive)
        if not (working / DATA).is_dir() or not (working / MANIFEST).exists():
            raise OperationFailed(
                f"restore: expected {DATA} and {MANIFEST} in snapshot {chosen.snapshot.name}, found something else; verify it"
            )

    # Replay -----------------------------------------------------------------------------------------------------------

    def _replay(self, chosen: Plan, working: Path, socket: Path) -> int:
        """Apply the slices up to the wanted optime; returns how many entries that were not there before were applied."""
        if not chosen.archives:
            return 0
        mongod = Mongod(self.mongod, working, socket, CACHE_MB)
        writer = SliceWriter(working / SLICES, chosen.snapshot.generation)
        try:
            client = mongod.start()
            applier = self._applier(client, writer, working)
            self._apply(applier, chosen)
            self._require_end(applier, writer, chosen)
            with locked(client, mongod.dbpath):
                pass  # the checkpoint has everything now: what follows opens it without the oplog
            return applier.entries
        except PyMongoError as error:
            raise OperationFailed(f"restore: expected the copy to take the oplog, found: {error}") from error
        finally:
            writer.close()
            mongod.stop()

    def _applier(self, client: Client, writer: SliceWriter, working: Path) -> Applier:
        positions = PositionStore(client)
        loaded = positions.load()
        if loaded is None or not loaded[1]:
            raise OperationFailed(
                "restore: expected an applied position in the snapshot, found none; restore another one"
            )
        position = loaded[0]
        reader = SliceReader(working / SLICES, writer, position.open_from or position.optime.ts)
        stream = Stream(reader, position, position.optime.ts, spool_directory(working))
        return Applier(client, stream, Catalogue(client, building=True), positions)

    def _apply(self, applier: Applier, chosen: Plan) -> None:
        began = chosen.snapshot.optime.time
        try:
            while applier.apply_batch(chosen.until):
                self.alive()
                at = applier.position.optime.ts
                self.report("replay", at.time - began, max(1, chosen.until.time - began), "seconds of oplog", show(at))
        except ResyncRequired as error:
            raise OperationFailed(
                f"restore: the stored oplog does not fit the snapshot: {error.message}; verify the repository, or choose an "
                f"optime before {show(applier.position.optime.ts)}"
            ) from error

    def _require_end(self, applier: Applier, writer: SliceWriter, chosen: Plan) -> None:
        """Every entry up to the wanted optime must have been there."""
        last = writer.anchor.optime.ts if writer.anchor else None
        if last is None or (last < chosen.until and last < chosen.archives[-1].through):
            raise OperationFailed(
                f"restore: expected stored oplog up to {show(chosen.until)}, found it up to {show(last)}; verify the repository"
            )
        if not applier.between_entries:
            raise OperationFailed(
                f"restore: stopped inside of the entry of {show(applier.position.optime.ts)}; try again"
            )

    # The end ----------------------------------------------------------------------------------------------------------

    def _make_plain(self, chosen: Plan, working: Path, socket: Path) -> None:
        mongod = Mongod(self.mongod, working, socket, CACHE_MB, replica_set=False)
        try:
            client = mongod.start()
            loaded = PositionStore(client).load()
            found = loaded[0].optime.ts if loaded else None
            if found is None or found < chosen.snapshot.optime or found > chosen.until:
                raise OperationFailed(
                    f"restore: expected data of {show(chosen.until)} at most, found {show(found)}; try again, or another optime"
                )
            make_plain(client)
        except PyMongoError as error:
            raise OperationFailed(f"restore: the restored copy cannot be used: {error}") from error
        finally:
            mongod.stop()

    def _move_into_place(self, working: Path) -> None:
        """Move the data files up, make that durable, and take the mark away."""
        for path in sorted((working / DATA).iterdir()):
            os.rename(path, self.target / path.name)
        failpoints.reach("restore.moving", directory=self.target)
        os.sync()
        shutil.rmtree(working)


def restore(restorer: Restorer, found: Inventory, name: str | None, at: Timestamp | None) -> Json:
    """Check the target and the chain, then restore. Raises AgentError."""
    restorer.check()
    chosen = plan(found, name, at)
    try:
        return restorer.run(chosen)
    except OSError as error:
        raise AgentError(
            f"restore: expected to write {restorer.target}, found: {error}; see its disk and its rights"
        ) from error
