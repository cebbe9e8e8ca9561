"""Writes on the head, of operations of the oplog and of pages of a copy: what `insert`, `update` and `delete` have to be told.

Documents and `_id`s are passed through as raw BSON wherever the server takes them as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from bson import encode
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure

from backup_agent.errors import OperationFailed, Unsupported
from backup_agent.namespaces import OWN_DATABASE, split
from backup_agent.raw.assembly import by_id, by_ids, only_id
from backup_agent.raw.elements import has_zero_timestamp, is_id_alone, may_name_operators
from backup_agent.replay.diffs import apply_diff
from backup_agent.replay.groups import Group, Op, grouped, id_key
from backup_agent.replay.refusals import DUPLICATE_KEY
from backup_agent.source.member import raw_collection
from backup_agent.values import RAW, REPLIES, Client, Document
from backup_agent.words import told, words

UNKNOWN_STAGE = 40324
STAGE = "$_internalApplyOplogUpdate"

PART_BYTES = 8 * 1024 * 1024
Item = TypeVar("Item")
_NOTHING = b"\x05\0\0\0\0"
_DIFF = 2
_DIFF_BEGINS = b"\x10$v\0\x02\0\0\0"
"""The first bytes, after the length, of an update that holds a diff. They are checked before all of it is decoded."""


def takes_diffs(client: Client) -> bool:
    """Say whether the head applies the diffs of oplog updates itself (MongoDB 6.0 does, 5.0 does not)."""
    probe = {"q": {"_id": "no such document"}, "u": [{STAGE: {"oplogUpdate": {"$v": 2, "diff": {}}}}], "multi": False}
    try:
        client[OWN_DATABASE].command(SON([("update", "position"), ("updates", [probe])]))
    except OperationFailure as error:
        if error.code == UNKNOWN_STAGE:
            return False
        raise
    return True


class Writer:
    """Executes groups of operations on the head, whether it takes diffs or not."""

    def __init__(self, client: Client, whole: Callable[[Group], bool] = lambda _group: False) -> None:
        """Ask the head whether it takes diffs; `whole` says which groups it is given as whole documents all the same."""
        self._client, self._diffs, self._whole = client, takes_diffs(client), whole

    def run(
        self,
        name: str,
        group: Group,
        strict: bool,
        session: ClientSession | None = None,
        **options: Any,
    ) -> Iterator[tuple[Group, Document]]:
        """Yield each command's operations with the reply of the head, while it is iterated; `options` are the command's."""
        database, collection = split(name)
        diffs = self._diffs and not self._whole(group)
        for part in [group] if diffs else without_diffs(self._client, name, group, session):
            command = SON([*statement(collection, part, strict).items(), *options.items()])
            yield part, self._client[database].command(command, session=session, codec_options=REPLIES)


def query(identity: RawBSONDocument) -> Mapping[str, Any]:
    """Return the filter that matches one document; `identity` has its `_id`, and in a sharded cluster its shard key too."""
    raw = bytes(identity.raw)
    if may_name_operators(raw):
        value = identity["_id"]
        if isinstance(value, RawBSONDocument) and next(iter(value.keys()), "").startswith("$"):
            return by_id(identity)  # a DBRef, say, which would be read as an operator
    return identity if is_id_alone(raw) else only_id(identity)


def replacement(document: RawBSONDocument) -> Any:
    """Return the `u` that replaces a document.

    In a plain one, names that begin with a dollar would be read as modifiers, and `Timestamp(0, 0)` would become the time.
    """
    if has_zero_timestamp(document.raw) or (
        may_name_operators(document.raw) and any(name.startswith("$") for name in document)
    ):
        return _literally(document)
    return document


def _literally(document: RawBSONDocument) -> Any:
    return [{"$replaceWith": {"$literal": document}}]


def _as_it_is(document: RawBSONDocument) -> dict[str, Any]:
    """Return the update statement that puts a document in its own place, with the zero timestamps that its insert lost."""
    return {"q": query(only_id(document)), "u": _literally(document), "multi": False}


def is_diff(op: Op) -> bool:
    """Say whether an operation is an update that holds a diff."""
    return op.kind == "u" and (op.o.raw[4:12] == _DIFF_BEGINS or op.o.get("$v") == _DIFF)


def update_argument(o: RawBSONDocument, what: Callable[[], str]) -> Any:
    """Return the `u` of an update statement for an oplog update.

    `$v: 2` entries hold a diff, applied by the server's own `$_internalApplyOplogUpdate`; `$v: 1` entries hold modifiers; an
    entry without `$v` replaces the document. Raises Unsupported for another version of `what`, the entry's name.
    """
    version = _DIFF if o.raw[4:12] == _DIFF_BEGINS else o.get("$v")
    if version == _DIFF:
        return [{STAGE: {"oplogUpdate": o}}]
    if version == 1:
        return {name: value for name, value in o.items() if name != "$v"}
    if version is not None:
        raise Unsupported(f"{what()}: expected an update of version 1 or 2, found {version}")
    return replacement(o)


def statement(collection: str, group: Group, strict: bool) -> SON[str, Any]:
    """Return the command that executes a group of operations, in order up to the first error."""
    if group.kind in ("d", "r"):
        deletes = [{"q": query(op.o if group.kind == "d" else only_id(op.o)), "limit": 1} for op in group.ops]
        return SON([("delete", collection), ("deletes", deletes)])
    if group.kind == "i" and strict:
        documents = [op.o for op in group.ops]
        return SON([("insert", collection), ("documents", documents), ("bypassDocumentValidation", True)])
    updates = [_update(op) for op in group.ops]
    return SON([("update", collection), ("updates", updates), ("bypassDocumentValidation", True)])


def can_be_written(op: Op, strict: bool) -> bool:
    """Say whether an operation becomes a statement: what a server never writes can be in an entry all the same."""
    try:
        encode(statement("any", Group(op.ui, op.kind, [op]), strict))
        grouped([op], lambda _ui: False)
    except Exception:  # noqa: BLE001 - whatever it is: this is asked in order to name the entry
        return False
    return True


def _update(op: Op) -> dict[str, Any]:
    if op.kind == "z":
        return _as_it_is(op.o)
    if op.kind == "i":
        return _put(op.o)
    argument = update_argument(op.o, lambda: op.entry)
    return {"q": query(op.o2 if op.o2 is not None else op.o), "u": argument, "multi": False}


def _put(document: RawBSONDocument) -> dict[str, Any]:
    """Return the update statement that inserts a document, or puts it in the place of the one with its `_id`."""
    return {"q": query(only_id(document)), "u": replacement(document), "multi": False, "upsert": True}


def _parts(items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yield a few megabytes of items at a time, at least one."""
    part: list[Item] = []
    held = 0
    for item in items:
        if part and held + size(item) > PART_BYTES:
            yield part
            part, held = [], 0
        part.append(item)
        held += size(item)
    if part:
        yield part


# Heads that do not take diffs --------------------------------------------------------------------------------------------


def without_diffs(client: Client, name: str, group: Group, session: ClientSession | None) -> Iterator[Group]:
    """Yield a group's operations with diffs turned into whole documents, a few megabytes of documents at a time.

    The documents are read in the same transaction as they are written. A document that is not there is not made: its statement
    matches nothing, which the count then shows. Raises Unsupported for an update by modifiers (`$v: 1`) among them.
    """
    if not any(is_diff(op) for op in group.ops):
        yield group
        return
    where = raw_collection(client, name)
    sizes = {
        id_key(found["_id"]): int(found["size"])
        for found in where.find(_all_of(group.ops), {"size": {"$bsonSize": "$$ROOT"}}, session=session)
    }
    for part in _parts(group.ops, lambda op: sizes.get(op.key, 0) + op.size):
        present = {id_key(found["_id"]): bytes(found.raw) for found in where.find(_all_of(part), session=session)}
        yield Group(group.ui, group.kind, [_whole(op, present) for op in part])


def _all_of(ops: list[Op]) -> RawBSONDocument:
    return by_ids(op.o2 if op.o2 is not None else op.o for op in ops)


def _whole(op: Op, present: dict[Hashable, bytes]) -> Op:
    key = op.key
    if op.o.get("$v") == 1:
        raise Unsupported(f"{op.entry}: expected a diff or a whole document, found modifiers; resync the job")
    before = present.get(key)
    if before is not None:
        before = _after(op, before) if is_diff(op) else bytes(op.o.raw)
        present[key] = before
    return Op("u", op.ui, op.namespace, RawBSONDocument(before or _NOTHING, RAW), op.o2, op.optime, op.index)


def _after(op: Op, before: bytes) -> bytes:
    try:
        return apply_diff(before, bytes(op.o["diff"].raw))
    except Exception as error:
        found = words(error)[:300]
        raise Unsupported(f"{op.entry}: expected a diff that can be applied, found {found}") from error


# The pages of a copy ------------------------------------------------------------------------------------------------------


def insert(target: Database[Document], collection: str, page: list[bytes], ordered: bool = False) -> tuple[int, int]:
    """Insert the documents of a page; returns how many and their bytes. Nothing is journaled by itself.

    Raises OperationFailed when the head does not take every one of them, PyMongoError when it fails.
    """
    for part in _parts(page, len):
        _insert_some(target, collection, [RawBSONDocument(document, RAW) for document in part], ordered)
    return len(page), sum(map(len, page))


def _insert_some(target: Database[Document], collection: str, documents: list[RawBSONDocument], ordered: bool) -> None:
    errors = _run(target, SON([("insert", collection), ("documents", documents), ("ordered", ordered)]))
    again = [documents[e["index"]] for e in errors if e.get("code") == DUPLICATE_KEY and not ordered]
    _require([e for e in errors if ordered or e.get("code") != DUPLICATE_KEY], collection)
    if again:
        _replace(target, collection, again)
    zeros = [_as_it_is(document) for document in documents if has_zero_timestamp(document.raw)]
    if zeros:
        _require(_run(target, SON([("update", collection), ("updates", zeros)])), collection)


def _replace(target: Database[Document], collection: str, documents: list[RawBSONDocument]) -> None:
    """Put documents in the place of those with the same `_id`.

    Deleted and inserted again while the source is read, a document is met twice, and what was captured meanwhile corrects
    either of the two. There is no unique key but `_id` on a copy that is being made.
    """
    _require(_run(target, SON([("update", collection), ("updates", list(map(_put, documents)))])), collection)


def _run(target: Database[Document], command: SON[str, Any]) -> list[Document]:
    """Run a write; returns its errors."""
    command["bypassDocumentValidation"] = True
    command["writeConcern"] = {"w": 1}
    errors: list[Document] = target.command(command, codec_options=REPLIES).get("writeErrors", [])
    return errors


def _require(errors: list[Document], collection: str) -> None:
    if errors:
        raise OperationFailed(
            f"{collection}: expected the head to take every document of the copy, it refused {len(errors)}: "
            f"{told(errors[0])}"[:500]
        )
