"""From captured entries to units of work: transactions are put together, entries of no effect are counted off.

Units carry (optime, index): the index counts the operations inside one entry, so that a transaction larger than a batch can
be applied in several, each of which records how far it came.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.capture.slices import SliceReader
from backup_agent.errors import ResyncRequired, Unsupported
from backup_agent.namespaces import needs_command, target_of, why_not_copied
from backup_agent.raw.elements import LENGTH, documents, find, first_name, names
from backup_agent.replay.groups import Op, describe
from backup_agent.replay.rules import Action, rule
from backup_agent.times import ZERO, OpTime, show
from backup_agent.values import RAW

SPOOL_BYTES = 8 * 1024 * 1024
WHOLE = -1
"""The index that stands for "every operation of this entry"."""


@dataclass(frozen=True)
class Position:
    """How far the head is: every entry before `optime` and, of that entry, the operations up to `index`.

    `open_from` is the first entry of the oldest transaction that was open then: reading begins there after a restart.
    """

    optime: OpTime
    index: int = WHOLE
    open_from: Timestamp | None = None

    def as_document(self) -> dict[str, Any]:
        """Return what is stored on the head."""
        return {"ts": self.optime.ts, "t": self.optime.term, "index": self.index, "open_from": self.open_from}

    @classmethod
    def from_document(cls, found: dict[str, Any]) -> Position:
        """Read what `as_document` returned."""
        return cls(OpTime(found["ts"], found["t"]), found["index"], found["open_from"])


@dataclass(slots=True)
class Unit:
    """One step of replay: an operation, a catalogue command, or nothing but a place in the oplog that was passed."""

    optime: OpTime
    index: int
    op: Op | None = None
    command: RawBSONDocument | None = None
    last: bool = True

    def position(self, open_from: Timestamp | None) -> Position:
        """Return the position after this unit."""
        return Position(self.optime, WHOLE if self.last else self.index, open_from)


def name_of(unit: Unit) -> str:
    """Return the name of a unit's entry for alerts."""
    if unit.op is not None:
        return unit.op.entry
    if unit.command is None:
        return f"an entry without effect at {show(unit.optime.ts)}"
    name = command_name(unit.command["o"]) if unit.command["op"] == "c" else ""
    return describe(unit.command["op"], unit.command["ns"], unit.optime, name)


def optime_of(entry: Mapping[str, Any]) -> OpTime:
    """Return the optime of an oplog entry."""
    return OpTime(entry["ts"], entry.get("t", -1))


def command_name(o: RawBSONDocument) -> str:
    """Return the name of a command: its first key. What it holds is not decoded, it may be 16 MB."""
    return first_name(bytes(o.raw))


def operations(entry: bytes) -> list[bytes]:
    """Return the operations inside an `applyOps` entry. Raises ValueError when it has none to show."""
    o = find(entry, b"o")
    inner = find(entry, b"applyOps", o.start) if o is not None else None
    if inner is None:
        raise ValueError("a transaction without o.applyOps")
    return documents(entry, inner.start)


class Transaction:
    """The operations of an open transaction, kept in memory up to a limit and in an unnamed file beyond it.

    They are kept one by one: read back, a transaction takes the memory of one operation, whatever its size.
    """

    def __init__(self, first: OpTime, number: int, spool: Path) -> None:
        """`first` is the optime of its first entry, `number` the session's txnNumber, `spool` a directory."""
        self.first, self.number, self.prepared = first, number, False
        self.complete = True
        """Whether its first entry was captured. A part that names an earlier entry is not the first."""
        self.count = 0
        # Closed by `close`, when the transaction has been applied or forgotten.
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES, dir=str(spool))  # noqa: SIM115

    def add(self, entry: bytes) -> None:
        """Keep the operations of one more entry."""
        for operation in operations(entry):
            self._file.write(operation)
            self.count += 1

    def operations(self) -> Iterator[bytes]:
        """Yield the operations in order."""
        self._file.seek(0)
        while length := self._file.read(LENGTH.size):
            yield length + self._file.read(int(LENGTH.unpack(length)[0]) - LENGTH.size)

    def close(self) -> None:
        """Forget them."""
        self._file.close()


class Stream:
    """The units after a position, as far as they have been captured.

    `since` is the start of the copy (Tc): what was committed up to then is in the copy already.
    """

    def __init__(self, reader: SliceReader, position: Position, since: Timestamp, spool: Path) -> None:
        """`spool` is a directory for transactions too large for memory."""
        self._reader, self._position, self._since, self._spool = reader, position, since, spool
        self._entries: deque[RawBSONDocument] = deque()
        self._transactions: dict[bytes, Transaction] = {}
        self._units: Iterator[Unit] = iter(())
        self._next: Unit | None = None
        self._beyond = False
        """Whether reading has passed the position: then nothing that follows has been applied."""
        self._read: tuple[str, str, OpTime] | None = None
        """Kind, namespace and optime of the last entry whose fields could be read."""
        self._reading = False
        self.read_bytes = 0
        """How many bytes of entries have been read from the slices, after the position."""

    @property
    def open_from(self) -> Timestamp | None:
        """The first entry of the oldest open transaction."""
        return min((t.first.ts for t in self._transactions.values()), default=None)

    @property
    def prepared(self) -> bool:
        """Whether a prepared transaction is open."""
        return any(t.prepared for t in self._transactions.values())

    @property
    def at(self) -> str:
        """The name of the entry that was read last."""
        if self._read is None:
            return "the first entry that was read"
        return f"the entry after {describe(*self._read)}" if self._reading else describe(*self._read)

    def peek(self) -> Unit | None:
        """Return the next unit without taking it, or None when all that was captured has been read."""
        while self._next is None:
            self._next = next(self._units, None)
            if self._next is None:
                entry = self._next_entry()
                if entry is None:
                    return None
                units = self._of(entry)
                self._units = units if self._beyond else self._after_position(units)
        return self._next

    def take(self) -> None:
        """Take the unit that `peek` returned."""
        self._next = None

    def _next_entry(self) -> RawBSONDocument | None:
        if not self._entries:
            self._entries.extend(self._reader.next_batch())
            if self._entries and not self._passed(optime_of(self._entries[-1])):
                self.read_bytes += sum(len(entry.raw) for entry in self._entries)
        return self._entries.popleft() if self._entries else None

    def _after_position(self, units: Iterator[Unit]) -> Iterator[Unit]:
        """Leave out what has been applied already (after a restart, reading begins before the position)."""
        at = self._position
        for unit in units:
            self._beyond = unit.optime.ts > at.optime.ts
            if not self._passed(unit.optime) and not (unit.optime.ts == at.optime.ts and unit.index <= at.index):
                yield unit

    def _passed(self, optime: OpTime) -> bool:
        """Say whether every operation of an entry has been applied."""
        at = self._position
        return optime.ts < at.optime.ts or (optime.ts == at.optime.ts and at.index == WHOLE)

    def _of(self, entry: RawBSONDocument) -> Iterator[Unit]:
        """Return the units of one entry; at least one, so that the position moves over every entry."""
        self._reading = True
        fields = dict(entry.items())  # decoded once: each look at the entry itself takes several calls
        optime = optime_of(fields)
        self._read, self._reading = (fields["op"], fields["ns"], optime), False
        name = command_name(fields["o"]) if fields["op"] == "c" else None
        if rule(fields["op"], name).action is Action.TRANSACTION:
            return self._transaction(entry, optime, str(name))
        if optime.ts <= self._since:
            return iter((Unit(optime, 0),))
        if fields["ns"] == "admin.system.version" and fields["op"] != "n":
            return iter((Unit(optime, 0, command=entry),))
        return iter((_unit(entry, fields, optime),))

    def _transaction(self, entry: RawBSONDocument, optime: OpTime, name: str) -> Iterator[Unit]:
        o = names(bytes(entry["o"].raw))
        key = entry["lsid"].raw if "lsid" in entry else b""
        if name == "abortTransaction":
            self._forget(key)
            yield Unit(optime, 0)
        elif name == "applyOps" and (b"partialTxn" in o or b"prepare" in o):
            self._buffer(key, entry, optime)
            yield Unit(optime, 0)
        else:
            yield from self._commit(entry, optime, key, name)

    def _buffer(self, key: bytes, entry: RawBSONDocument, optime: OpTime) -> None:
        number = int(entry["txnNumber"])
        held = self._transactions.get(key)
        if held is None or held.number != number:  # an older number was never committed: its primary died first
            self._forget(key)
            held = self._transactions[key] = Transaction(optime, number, self._spool)
            held.complete = entry.get("prevOpTime", {"ts": ZERO})["ts"] == ZERO
        held.add(bytes(entry.raw))
        held.prepared = held.prepared or b"prepare" in names(bytes(entry["o"].raw))

    def _forget(self, key: bytes) -> None:
        held = self._transactions.pop(key, None)
        if held is not None:
            held.close()

    def _commit(self, entry: RawBSONDocument, optime: OpTime, key: bytes, name: str) -> Iterator[Unit]:
        held = self._transactions.get(key)
        if held is not None and held.number != int(entry.get("txnNumber", -1)):
            self._forget(key)
            held = None
        if optime.ts <= self._since or self._passed(optime):
            # It is in the copy, or was applied before a restart; its parts may lie before what is read now.
            self._forget(key)
            yield Unit(optime, 0)
            return
        if _has_earlier_parts(entry, name) and (held is None or not held.complete):
            raise ResyncRequired(
                "corruption",
                f"{describe('c', entry['ns'], optime, name)}: "
                "expected the transaction's earlier entries in the slices, found none",
            )
        final = bytes(entry.raw) if name == "applyOps" else None
        del entry  # its operations may be 16 MB, and are held once
        yield from self._operations(held, final, optime)
        self._forget(key)

    def _operations(self, held: Transaction | None, final: bytes | None, optime: OpTime) -> Iterator[Unit]:
        """Yield every operation of a committed transaction; how many there are is known before."""
        if held is None:
            inner = operations(final) if final is not None else []
            count, found = len(inner), iter(inner)
        else:
            if final is not None:
                held.add(final)
            count, found = held.count, held.operations()
        del final
        if count == 0:
            yield Unit(optime, 0)
        for index in range(count):  # without a name for the operation: it would be held until the next one is asked for
            yield _inner_unit(RawBSONDocument(next(found), RAW), optime, index, last=index == count - 1)


def _inner_unit(inner: RawBSONDocument, optime: OpTime, index: int, last: bool) -> Unit:
    return _unit(inner, inner, optime, index, last, " inside a transaction")


def _unit(
    entry: RawBSONDocument,
    fields: Mapping[str, Any],
    optime: OpTime,
    index: int = 0,
    last: bool = True,
    where: str = "",
) -> Unit:
    """Return the unit of an entry, or of an operation in one. Raises Unsupported for what cannot be replayed there."""
    op, namespace, o = fields["op"], fields["ns"], fields["o"]
    name = command_name(o) if op == "c" else None
    decision = rule(op, name)
    if decision.action is Action.IGNORE or _not_copied(op, namespace, o):
        return Unit(optime, index, last=last)
    if decision.action not in (Action.COMMAND, Action.WRITE):
        raise Unsupported(f"{describe(op, namespace, optime, name or '')}{where}: {decision.why}")
    if decision.action is Action.COMMAND or needs_command(namespace):
        return Unit(optime, index, command=entry, last=last)
    if "ui" not in fields:
        raise Unsupported(f"{describe(op, namespace, optime)}: expected an entry with a collection UUID, found none")
    op_of = Op(op, bytes(fields["ui"]), namespace, o, fields.get("o2"), optime, index)
    return Unit(optime, index, op=op_of, last=last)


def _not_copied(op: str, namespace: str, o: RawBSONDocument) -> bool:
    return why_not_copied(target_of(namespace, o) if op == "c" else namespace) is not None


def _has_earlier_parts(entry: RawBSONDocument, name: str) -> bool:
    """Say whether a committing entry is only the end of a transaction."""
    if name == "commitTransaction":
        return True
    previous = entry.get("prevOpTime")
    in_transaction = "lsid" in entry and "multiOpType" not in entry
    return in_transaction and previous is not None and previous["ts"] != ZERO
