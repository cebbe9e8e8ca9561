"""Restore: a snapshot, or any optime inside a generation, into an empty directory.

Nothing but the repository and its password is needed. The snapshot is restored below `.restore` in the target, a private mongod
replays the stored slices on it up to the wanted optime, the way the head did, and what only the head needed is taken out. Then
the files are moved into place and `.restore` is removed: as long as it is there the restore was not finished, and beginning again
removes what it left.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bson.errors import BSONError
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent import failpoints
from backup_agent.capture.slices import SliceWriter
from backup_agent.compare.manifest import Manifest, missing_indexes, parse
from backup_agent.errors import NoRoom, OperationFailed, Refused, ResyncRequired, Transient, Unsupported
from backup_agent.head import LAST_SECONDS, HeadFailed, Mongod, make_plain, mongod_version, point_nowhere
from backup_agent.replay.apply import Applier, PositionStore
from backup_agent.replay.care import Care
from backup_agent.repository.failures import Gone
from backup_agent.repository.inventory import SLICES, Inventory
from backup_agent.repository.restic import Restic
from backup_agent.repository.snapshot import MANIFEST, locked
from backup_agent.restore.plan import Plan, Restore, plan, renewed
from backup_agent.restore.target import Target
from backup_agent.times import now_iso, show
from backup_agent.values import Client
from backup_agent.words import words

DATA = "data"
CACHE_MB = 256
ROOM_FACTOR = 1.1
RENEWALS = 5
"""How often newer archives may replace the ones that are being restored before they have been read."""

Look = Callable[[], Inventory]
"""Reads again what the repository holds."""


class Reporter(Protocol):
    """Told how far the restore is; may raise to end it."""

    def __call__(self, phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
        """Report progress of a phase."""


@dataclass(frozen=True)
class Restorer:
    """One restore."""

    restic: Restic
    mongod: Path
    target: Target
    report: Reporter
    alive: Callable[[], None]

    # Before it --------------------------------------------------------------------------------------------------------

    def explain(self, chosen: Plan) -> Restore:
        """Return the restore with what it takes: bytes, documents, and the version that the data needs.

        Raises Refused for a mongod of another major version, OperationFailed when the snapshot does not say what it holds.
        """
        held = self._manifest(chosen)
        self._require_version(held.server_version)
        return replace(
            chosen.restore,
            target=str(self.target.path),
            server_version=held.server_version,
            collections=held.count,
            documents=held.documents,
            data_bytes=self.restic.restore_size([chosen.snapshot.id], self.alive),
            oplog_bytes=self.restic.restore_size(chosen.oplog_ids, self.alive),
        )

    def _manifest(self, chosen: Plan) -> Manifest:
        text = self.restic.dump(chosen.snapshot.id, f"/{MANIFEST}", self.alive)
        return parse(lambda: text, f"{MANIFEST} of snapshot {chosen.snapshot.name}")

    def _require_version(self, wanted: str) -> None:
        found = mongod_version(self.mongod)
        if found.split(".")[:2] != wanted.split(".")[:2]:
            raise Refused(
                f"expected a mongod of the source's major version, {wanted}, found {self.mongod} {found}; name one with --mongod"
            )

    def require_room(self, planned: Restore) -> None:
        """Require room for what is restored and for what the replay adds to it. Raises Refused."""
        where = next(path for path in (self.target.path, *self.target.path.parents) if path.exists())
        free = shutil.disk_usage(where).free
        needed = int(ROOM_FACTOR * (planned.data_bytes + 2 * planned.oplog_bytes))
        if free < needed:
            raise Refused(
                f"restore: expected {needed} bytes free for {self.target.path}, found {free}; make room, or choose another"
            )

    # The restore ------------------------------------------------------------------------------------------------------

    def run(self, chosen: Plan) -> Restore:
        """Restore what was chosen and return what the contract says of it.

        Raises Refused (the target, no room), OperationFailed (something damaged) or what restic's errors mean; the target is
        then left with `.restore` in it, and can be given again.
        """
        planned = self.explain(chosen)
        failpoints.reach("restore.planned")
        with self.target.locked():
            self.target.check()
            self.target.clear()
            self.require_room(planned)
            working = self.target.working
            self._download(chosen, working)
            failpoints.reach("restore.downloaded", directory=working)
            with tempfile.TemporaryDirectory(prefix="restore-") as sockets:  # the path of a socket must be short
                socket = Path(sockets) / "r.sock"
                entries = self._replay(chosen, working, socket)
                failpoints.reach("restore.replayed", directory=working)
                missing = self._make_plain(chosen, working, socket)
            result = replace(planned, entries=entries, missing_indexes=missing or None, restored_at=now_iso())
            self.target.move_into_place(working / DATA, result)
        return result

    def _download(self, chosen: Plan, working: Path) -> None:
        for number, identifier in enumerate(chosen.ids):
            what = "snapshot" if identifier == chosen.snapshot.id else "oplog"
            self.report("restore", number, len(chosen.ids), "downloads", f"{number + 1} of {len(chosen.ids)}: {what}")
            try:
                self.restic.restore(identifier, working, self.alive)
            except NoRoom as error:
                raise OperationFailed(f"restore: {error.message}; the target is {self.target.path}") from error
        if not (working / DATA).is_dir():
            raise OperationFailed(
                f"restore: expected {DATA} in snapshot {chosen.snapshot.name}, found none; restore another one"
            )

    # Replay -----------------------------------------------------------------------------------------------------------

    def _replay(self, chosen: Plan, working: Path, socket: Path) -> int:
        """Apply the slices up to the wanted optime; returns how many entries that were not there before were applied."""
        if not chosen.archives:
            return 0
        mongod = Mongod(self.mongod, working, socket, CACHE_MB)
        writer, care = SliceWriter(working / SLICES, chosen.snapshot.generation), Care()
        try:
            entries, complete = 0, False
            while not complete:  # a copy that died of an entry is started again, and that entry handled with care
                self.alive()
                applier = self._applier(mongod.start(), writer, working, care)
                complete = self._apply(applier, chosen, mongod)
                entries += applier.entries
            self._require_end(applier, writer, chosen)
            with locked(mongod.client, mongod.dbpath):
                pass  # the checkpoint has everything now: what follows opens it without the oplog
            return entries
        except (PyMongoError, Transient, HeadFailed) as error:
            raise OperationFailed(
                f"restore: expected the copy to take the oplog, found: {words(error)[:400]}; {mongod.last_words()}"
            ) from error
        finally:
            writer.close()
            mongod.stop()

    def _applier(self, client: Client, writer: SliceWriter, working: Path, care: Care) -> Applier:
        loaded = PositionStore(client).load()
        if loaded is None or not loaded[1]:
            raise OperationFailed(
                "restore: expected an applied position in the snapshot, found none; restore another one"
            )
        return Applier(client, writer, working, care)

    def _apply(self, applier: Applier, chosen: Plan, mongod: Mongod) -> bool:
        """Apply all that is wanted; returns whether that was done. It was not when the copy died, and may be started again."""
        earlier = "choose an optime before"
        try:
            return self._take(applier, chosen, mongod)
        except Unsupported as error:
            at = show(applier.position.optime.ts)
            raise OperationFailed(f"restore: {error.message}; {earlier} {at}") from error
        except ResyncRequired as error:
            at = show(applier.position.optime.ts)
            raise OperationFailed(
                f"restore: the stored oplog does not fit the snapshot: {error.message}; verify the repository, or {earlier} {at}"
            ) from error

    def _take(self, applier: Applier, chosen: Plan, mongod: Mongod) -> bool:
        began = chosen.snapshot.optime.time
        try:
            while applier.apply_batch(chosen.until):
                self.alive()
                at = applier.position.optime.ts
                self.report("replay", at.time - began, max(1, chosen.until.time - began), "seconds of oplog", show(at))
        except HeadFailed:
            if not mongod.ended(LAST_SECONDS) or not mongod.failed:
                raise
            applier.died(mongod.last_words(), by_itself=True)
            return False
        return True

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

    def _make_plain(self, chosen: Plan, working: Path, socket: Path) -> tuple[str, ...]:
        """Take out what belongs to the agent; returns a sentence for each index that the source has and the copy has not."""
        mongod = Mongod(self.mongod, working, socket, CACHE_MB, replica_set=False)
        try:
            client = mongod.start()
            loaded = PositionStore(client).load()
            found = loaded[0].optime.ts if loaded else None
            if found is None or found < chosen.snapshot.optime or found > chosen.until:
                raise OperationFailed(
                    f"restore: expected data of {show(chosen.until)} at most, found {show(found)}; try again, or another optime"
                )
            missing = missing_indexes(client)
            point_nowhere(client)
            make_plain(client)
            return missing
        except (PyMongoError, BSONError, HeadFailed) as error:
            raise OperationFailed(f"restore: the restored copy cannot be used: {words(error)[:400]}") from error
        finally:
            mongod.stop()


def explain(restorer: Restorer, look: Look, chosen: Plan) -> Restore:
    """Return what a plan takes, once it is known that there is a place for it. Raises AgentError."""
    restorer.target.check()
    planned = _renewing(look, chosen, restorer.explain)
    restorer.require_room(planned)
    return planned


def restore(restorer: Restorer, look: Look, name: str | None, at: Timestamp | None) -> tuple[Restore, bool]:
    """Check the target and the chain, then restore; returns the restore and whether it was done now.

    Exactly this restore that is there already is returned as it is. Raises AgentError.
    """
    chosen = plan(look(), name, at)
    done = restorer.target.done(chosen.restore)
    if done is not None:
        return done, False
    restorer.target.check()
    try:
        return _renewing(look, chosen, restorer.run), True
    except OSError as error:
        raise OperationFailed(
            f"restore: expected to write {restorer.target.path}, found: {error}; see its disk and its rights, and whether the "
            "service of the agent may write there"
        ) from error


def _renewing(look: Look, chosen: Plan, do: Callable[[Plan], Restore]) -> Restore:
    """Do something with a plan, again when what it names has been replaced in the repository meanwhile."""
    for _ in range(RENEWALS):
        try:
            return do(chosen)
        except Gone:
            chosen = renewed(look(), chosen)
    return do(chosen)
