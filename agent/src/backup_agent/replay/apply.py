"""Apply: replay captured entries on the head, in transactions that carry the position with the data.

Data and position commit together (`j: true`), so after a crash replay goes on exactly where it was and needs no leniency.
From the consistency point on every command must change exactly as many documents as it has operations: anything else means
that the backup is not what the source was.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from bson.timestamp import Timestamp
from pymongo.client_session import ClientSession
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from backup_agent import failpoints
from backup_agent.capture.slices import SliceReader, SliceWriter
from backup_agent.errors import AgentError, ResyncRequired, Transient, Unsupported
from backup_agent.head import HeadFailed
from backup_agent.namespaces import OWN_DATABASE
from backup_agent.raw.elements import has_zero_timestamp
from backup_agent.raw.memory import PIECES, without_looking_for_cycles
from backup_agent.raw.pages import PAGE_BYTES
from backup_agent.replay.capped import CappedWriter, Touched
from backup_agent.replay.care import Care
from backup_agent.replay.catalogue import Catalogue
from backup_agent.replay.groups import Group, Op, grouped
from backup_agent.replay.refusals import DUPLICATE_KEY, TOO_LARGE_FOR_CACHE, may_pass
from backup_agent.replay.statements import Writer, can_be_written
from backup_agent.replay.stream import Position, Stream, Unit, name_of
from backup_agent.state.documents import noted, shown
from backup_agent.times import show
from backup_agent.values import Client
from backup_agent.words import told, words

ABORT_SECONDS = 1
BATCH_OPS = 5000
BATCH_BYTES = 8 * 1024 * 1024


@dataclass
class _Mismatch(Exception):
    """A command changed fewer documents than it had operations."""

    errors: list[dict[str, Any]]

    @property
    def secondary_key(self) -> bool:
        """Whether a unique index other than that of `_id` refused a document."""
        return any(e.get("code") == DUPLICATE_KEY and "_id" not in e.get("keyPattern", {}) for e in self.errors)


class PositionStore:
    """The applied position, in the agent's own database on the head."""

    def __init__(self, client: Client) -> None:
        self._collection = client[OWN_DATABASE]["position"]

    def load(self) -> tuple[Position, bool] | None:
        """Return the position and whether replay is strict, or None on a new head."""
        found = self._collection.find_one({"_id": "position"})
        return None if found is None else (Position.from_document(found), bool(found["strict"]))

    def pending(self) -> Position | None:
        """Return the end of the batch that was begun outside of a transaction and has not been committed."""
        found = self._collection.find_one({"_id": "position"}) or {}
        return Position.from_document(found["pending"]) if found.get("pending") else None

    def begin(self, end: Position) -> None:
        """Note durably where a batch ends that a transaction cannot hold, before anything of it is written.

        After a crash exactly this batch is applied again. `save` takes the note back.
        """
        collection = self._collection.with_options(write_concern=WriteConcern(w=1, j=True))
        collection.update_one({"_id": "position"}, {"$set": {"pending": end.as_document()}})

    def save(
        self, position: Position, strict: bool, session: ClientSession | None = None, journal: bool = True
    ) -> None:
        """Write the position, inside the transaction of `session` when there is one."""
        collection = self._collection
        if session is None:
            collection = collection.with_options(write_concern=WriteConcern(w=1, j=journal))
        document = {"_id": "position", "strict": strict, **position.as_document()}
        collection.replace_one({"_id": "position"}, document, upsert=True, session=session)


class Applier:
    """Replays a stream on a head. After an exception, make a new one from the stored position."""

    def __init__(
        self,
        client: Client,
        writer: SliceWriter,
        directory: Path,
        care: Care,
        since: Timestamp | None = None,
    ) -> None:
        """Begin at the position that is stored on the head. Raises ResyncRequired when there is none.

        `directory` is where documents are noted that do not fit, and where transactions too large for memory are kept.
        What was committed up to `since` (by default that position) is in the copy already. Whoever starts a head again that died
        keeps `care`.
        """
        self._client, self._slices, self._care = client, writer, care
        self._directory = directory
        self._positions = PositionStore(client)
        self._taken: list[Unit] = []
        """The units of the batch that is being written, or was when it failed."""
        loaded = self._positions.load()
        if loaded is None:
            raise ResyncRequired(
                "corruption", "expected the applied position on the head, found none; its data was replaced"
            )
        self.position, self.strict = loaded
        at = self.position.optime.ts
        self.entries = 0
        """How many operations and commands have been applied."""
        reader = SliceReader(writer, self.position.open_from or at)
        self._stream = Stream(reader, self.position, since or at, _spool(directory))
        self._writer = Writer(client, care.without_diffs)
        self._catalogue = Catalogue(client, self.strict, self._writer)
        self._expected = PAGE_BYTES
        """How much memory the next batch is likely to take, after the last one."""
        self._pending = self._positions.pending()
        self._capped = CappedWriter(client, self._catalogue.name, self._writer, again=self._pending is not None)

    @property
    def between_transactions(self) -> bool:
        """Whether the head stands between two transactions of the source and none is prepared."""
        return self.between_entries and not self._stream.prepared

    @property
    def between_entries(self) -> bool:
        """Whether the head stands between two entries, and not inside of a transaction or a batch that was begun."""
        return self.position.index < 0 and self._pending is None

    def died(self, words: str, by_itself: bool) -> bool:
        """Note that the head died; returns whether it was being written to. Raises Unsupported for an entry that it cannot take.

        `words` are its last; `by_itself` says that nobody killed it.
        """
        self._care.died(self._taken, words, by_itself, begun=self._pending is not None)
        return bool(self._taken)

    @property
    def refused(self) -> dict[str, str]:
        """Why the head lacks an index, for each that it refused to build: by namespace and name."""
        return self._catalogue.refused()

    def apply_batch(self, until: Timestamp | None = None) -> bool:
        """Apply one batch, of entries up to and including `until`; returns whether there was anything to do.

        Raises ResyncRequired or Unsupported (the job stops), HeadFailed (the head went away) or Transient.
        """
        try:
            with PIECES.piece(self._expected), without_looking_for_cycles():
                if self._apply_operations(until):
                    return True
            return self._apply_command(until)
        except ConnectionFailure as error:
            raise HeadFailed(f"the head went away: {words(error)}") from error
        except OperationFailure as error:
            if may_pass(error):
                advice = "; raise head.cache_mb if this continues" if error.code == TOO_LARGE_FOR_CACHE else ""
                raise Transient(f"the head could not take a batch now: {words(error)}{advice}") from error
            raise ResyncRequired(
                "corruption", f"the head refused a batch after {self.position.optime}: {words(error)}"
            ) from error
        except PyMongoError as error:
            raise Transient(f"the head: {words(error)}") from error
        except (AgentError, OSError, MemoryError):
            raise
        except Exception as error:
            found = words(error)[:300]
            raise Unsupported(f"{self._suspect()}: expected an entry that can be replayed, found {found}") from error

    def _suspect(self) -> str:
        """Name the entry at which something failed that nobody foresaw."""
        for unit in self._taken:
            if unit.op is None or not can_be_written(unit.op, self.strict):
                return name_of(unit)
        return f"an entry up to {self._stream.at}" if self._taken else self._stream.at

    def _apply_operations(self, until: Timestamp | None) -> bool:
        before = self._stream.read_bytes
        batch = self._gather(until, before) if self._pending is None else self._gather_again(self._pending)
        size = sum(unit.op.size for unit in batch if unit.op)
        self._expected = max(PAGE_BYTES, size, self._stream.read_bytes - before)
        if batch:
            self._write(batch)
            self._pending, self._taken = None, []
            self.entries += sum(unit.op is not None for unit in batch)
        return bool(batch)

    def _gather(self, until: Timestamp | None, before: int) -> list[Unit]:
        """Take the units of the next batch; none when a command comes first, or nothing."""
        batch: list[Unit] = []
        size, touched = 0, Touched()
        self._taken = batch
        while len(batch) < BATCH_OPS and self._stream.read_bytes - before <= BATCH_BYTES:
            unit = self._stream.peek()
            if unit is None or unit.command is not None or (until is not None and unit.optime.ts > until):
                break
            size += unit.op.size if unit.op else 0
            if batch and size > BATCH_BYTES:
                break
            if unit.op and self._catalogue.capped(unit.op.ui) and touched.repeats(unit.op):
                break
            if batch and self._care.alone(unit):
                break
            self._stream.take()
            batch.append(unit)
            if self._care.alone(unit):
                break
        return batch

    def _gather_again(self, end: Position) -> list[Unit]:
        """Take the units of the batch that was begun before a crash, no fewer and no more.

        What it wrote outside of its transaction is known again only among exactly those. None until all are captured: a damaged
        slice may have been cut before them, and what was in it is read from the source again.
        """
        anchor = self._slices.anchor
        if anchor is None or anchor.optime.ts < end.optime.ts:
            return []
        batch: list[Unit] = []
        self._taken = batch
        while (unit := self._stream.peek()) is not None and unit.command is None:
            self._stream.take()
            batch.append(unit)
            position = unit.position(None)
            if (position.optime, position.index) == (end.optime, end.index):
                return batch
        raise ResyncRequired(
            "corruption",
            f"expected the operations up to {show(end.optime.ts)}, which were being applied, in the slices; found fewer",
        )

    def _apply_command(self, until: Timestamp | None) -> bool:
        unit = self._stream.peek()
        if unit is None or unit.command is None or (until is not None and unit.optime.ts > until):
            return False
        self._stream.take()
        self._taken = [unit]
        failpoints.reach("apply.command")
        self._catalogue.command(unit)
        failpoints.reach("apply.command_done")
        self._save(unit)
        self.entries += 1
        return True

    def _save(self, unit: Unit, session: ClientSession | None = None, journal: bool = True) -> None:
        position = unit.position(self._stream.open_from)
        self._positions.save(position, self.strict, session, journal)
        if session is None:
            self.position = position

    def _write(self, batch: list[Unit]) -> None:
        ops = [expanded for unit in batch if unit.op is not None for expanded in self._expand(unit.op)]
        if not ops:
            self._save(batch[-1], journal=False)
            return
        if capped := [op for op in ops if self._catalogue.capped(op.ui)]:
            self._pending = batch[-1].position(None)
            self._positions.begin(self._pending)
            self._capped.write(capped)
            failpoints.reach("apply.capped")
            ops = [op for op in ops if not self._catalogue.capped(op.ui)]
        try:
            self._commit(batch, grouped(ops, self._catalogue.in_order))
        except _Mismatch as mismatch:
            self._commit_in_order(batch, ops, mismatch)
        self.position = batch[-1].position(self._stream.open_from)
        failpoints.reach("apply.after_commit")

    def _commit(self, batch: list[Unit], groups: list[Group]) -> None:
        with self._client.start_session() as session:
            session.start_transaction(write_concern=WriteConcern(w=1, j=True))
            try:
                for group in groups:
                    failpoints.reach("apply.group", namespace=group.ops[0].namespace)
                    self._run(group, session)
                self._save(batch[-1], session)
                failpoints.reach("apply.before_commit")
                session.commit_transaction()
            except ConnectionFailure:
                # The driver would look for a head that has gone for longer than it takes to start one.
                with contextlib.suppress(PyMongoError), pymongo.timeout(ABORT_SECONDS):
                    session.abort_transaction()
                raise

    def _commit_in_order(self, batch: list[Unit], ops: list[Op], mismatch: _Mismatch) -> None:
        """Try a batch again in the order of the source, when a unique key may have moved from one document to another."""
        if not mismatch.secondary_key:
            self._name_the_culprit(ops, mismatch)
        try:
            self._commit(batch, grouped(ops, lambda _ui: True))
        except _Mismatch as again:
            self._name_the_culprit(ops, again)
            raise Transient("a batch failed that succeeded when its operations were run one by one") from again

    def _expand(self, op: Op) -> list[Op]:
        """Leave out operations without a collection (before the consistency point), and add the steps that an insert needs."""
        if self._catalogue.name(op.ui) is None:
            if self.strict:
                raise ResyncRequired(
                    "unsafe_apply_ops", f"{op.entry}: expected its collection in the backup, found none"
                )
            return []
        if op.kind == "i" and self._catalogue.keeps_order(op.ui):
            return [Op("r", op.ui, op.namespace, op.o, op.o2, op.optime, op.index), op]
        if op.kind == "i" and self.strict and has_zero_timestamp(op.o.raw):
            return [op, Op("z", op.ui, op.namespace, op.o, None, op.optime, op.index)]
        return [op]

    def _run(self, group: Group, session: ClientSession) -> None:
        name = self._catalogue.name(group.ui)
        assert name is not None
        for part, reply in self._writer.run(name, group, self.strict, session):
            errors = reply.get("writeErrors", [])
            if errors or (self.strict and int(reply["n"]) != len(part.ops)):
                raise _Mismatch(errors)

    def _name_the_culprit(self, ops: list[Op], mismatch: _Mismatch) -> None:
        """Run the batch again one operation at a time, in a transaction that is then aborted, to name the entry.

        Returns when there is none: then it was the order of the batch that was at fault.
        """
        with self._client.start_session() as session:
            session.start_transaction()
            try:
                for op in ops:
                    self._run_alone(op, session, mismatch)
            finally:
                session.abort_transaction()

    def _run_alone(self, op: Op, session: ClientSession, mismatch: _Mismatch) -> None:
        try:
            self._run(Group(op.ui, op.kind, [op]), session)
        except _Mismatch as found:
            raise self._violation(op, found) from mismatch
        except OperationFailure as error:
            if may_pass(error):
                raise
            raise ResyncRequired("corruption", f"{op.entry}: the head refused it: {words(error)}") from error

    def _violation(self, op: Op, found: _Mismatch) -> ResyncRequired:
        error = found.errors[0] if found.errors else None
        document = noted(self._directory, op.namespace, shown(op.identity))
        about = {"op": op.kind, "namespace": op.namespace, "optime": op.optime.to_json(), "id": document}
        if error is not None and not (error.get("code") == DUPLICATE_KEY and "_id" in error.get("keyPattern", {})):
            return ResyncRequired("corruption", f"{op.entry}: the head refused it: {told(error)}"[:500], **about)
        what = {"i": "insert", "u": "update", "d": "delete"}.get(op.kind, op.kind)
        message = f"{op.entry}: the {what} names the document {document}, which the backup does not have"
        if error is not None:
            message = f"{op.entry}: the insert of {document} meets a document that the backup has already"
        return ResyncRequired("unsafe_apply_ops", message, **about)


def _spool(generation: Path) -> Path:
    path = generation / "spool"
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
