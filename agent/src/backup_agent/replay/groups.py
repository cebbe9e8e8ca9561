"""Turn a batch of operations into few commands without changing what they do. Pure.

What a batch leaves behind depends on the order of operations on each document only, so operations on different documents are
gathered by collection and kind. Those on one document keep their order: each of another kind than the one before it goes one
level higher, and levels are executed in order. Only a unique secondary index can object to an order that was not the source's
(a key moved from one document to another): then the batch is planned again with everything in order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from backup_agent.raw.assembly import only_id
from backup_agent.raw.elements import INT32, INT64, STRING, simple_id
from backup_agent.times import OpTime, show

SMALL_BYTES = 256


def describe(op: str, namespace: str, optime: OpTime, what: str = "") -> str:
    """Return the name of an entry for alerts: kind, namespace, optime."""
    return f"{op}{' ' + what if what else ''} on {namespace} at {show(optime.ts)} (term {optime.term})"


def _identity_of(document: RawBSONDocument) -> Any:
    """Return a document's `_id`. To decode all of it takes longer, and would keep a second copy of all its values."""
    return (document if len(document.raw) < SMALL_BYTES else only_id(document))["_id"]


@dataclass(slots=True)
class Op:
    """One insert (`i`), update (`u`) or delete (`d`), with the place it came from."""

    kind: str
    ui: bytes
    namespace: str
    o: RawBSONDocument
    o2: RawBSONDocument | None
    optime: OpTime
    index: int

    @property
    def entry(self) -> str:
        """The name of its entry for alerts."""
        return describe(self.kind, self.namespace, self.optime)

    @property
    def identified(self) -> RawBSONDocument:
        """The document that has the `_id` of the one that is written."""
        return self.o2 if self.kind == "u" and self.o2 is not None else self.o

    @property
    def identity(self) -> Any:
        """The document's `_id`."""
        return _identity_of(self.identified)

    @property
    def key(self) -> Hashable:
        """What is equal for operations on the same document of a collection: `id_key` of its `_id`."""
        found = simple_id(self.identified.raw)
        if found is None:
            return id_key(self.identity)
        kind, value = found
        if kind in (INT32, INT64):
            return value
        return ("str" if kind == STRING else "ObjectId", value)

    @property
    def size(self) -> int:
        """Bytes of the operation, near enough."""
        return len(self.o.raw) + (len(self.o2.raw) if self.o2 is not None else 0)


@dataclass(slots=True)
class Group:
    """Operations that make one command: same collection, same kind, in order."""

    ui: bytes
    kind: str
    ops: list[Op] = field(default_factory=list)


def id_key(value: Any) -> Hashable:
    """Return a hashable that is equal for equal `_id`s, as the server compares them (numbers of all types by value)."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, (int, float)):
        return "NaN" if value != value else value
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        return "NaN" if number.is_nan() else Decimal(number)
    if type(value) is str:
        return ("str", value.encode(errors="surrogateescape"))
    if isinstance(value, ObjectId):
        return ("ObjectId", value.binary)
    if isinstance(value, RawBSONDocument):
        return ("document", tuple((name, id_key(item)) for name, item in value.items()))
    if isinstance(value, (list, tuple)):
        return ("array", tuple(id_key(item) for item in value))
    return (type(value).__name__, value if isinstance(value, Hashable) else repr(value))


def grouped(ops: Iterable[Op], in_order: Callable[[bytes], bool]) -> list[Group]:
    """Return the commands for a batch, in order. `in_order` says whether a collection's operations may not change places."""
    levels: dict[Hashable, tuple[int, str]] = {}
    groups: dict[tuple[int, bytes, str], Group] = {}
    for op in ops:
        key: Hashable = op.ui if in_order(op.ui) else (op.ui, op.key)
        level, kind = levels.get(key, (0, op.kind))
        if kind != op.kind:
            level += 1
        levels[key] = (level, op.kind)
        place = (level, op.ui, op.kind)
        if place not in groups:
            groups[place] = Group(op.ui, op.kind)
        groups[place].ops.append(op)
    return [groups[place] for place in sorted(groups, key=lambda place: place[0])]
