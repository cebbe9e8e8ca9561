"""Digests of a collection, or of an `_id` range of it, over the raw bytes of its documents in their order.

The digest covers the documents' bytes one after the other, so it is the same however the server cuts them into batches. No
document is decoded: two sides are equal only when every byte is. PyMongo has no public way to give `find` a read time, so the
commands are sent by hand, with one explicit session for a cursor's whole life, and the documents are cut out of the reply's
bytes: making an object of each costs several times as much as digesting it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.raw import pages
from backup_agent.raw.assembly import by_id, id_of
from backup_agent.raw.memory import PIECES
from backup_agent.state.documents import shown
from backup_agent.values import RAW, Client

CHUNK_DOCUMENTS = 1000
"""How many documents one mark of a manifest covers; a mismatch is narrowed down to that many."""


def _nothing() -> None:
    """Do nothing between two batches."""


@dataclass(frozen=True)
class Side:
    """One collection as it is read: where, and at which time.

    `collection` is a name or the collection's UUID; a UUID follows renames, and a dropped one is error 26, whereas a dropped
    name reads as an empty collection. `seconds` bounds the whole read on the server (error 50 after it). A capped collection is
    read in its `natural` order, and the server reads none at a time that is past: what is majority-committed `after` one instead.
    The buckets of a time series are read in natural order too: it is that of `_id`, on which MongoDB 5.0 takes no hint there.
    """

    client: Client
    database: str
    collection: str | Binary
    at: Timestamp | None = None
    seconds: float | None = None
    natural: bool = False
    after: Timestamp | None = None

    def command(self, body: dict[str, Any]) -> RawBSONDocument:
        """Run a command on the database and return the raw reply."""
        return pages.run(self.client, self.database, body)

    def find(self, **options: Any) -> dict[str, Any]:
        """Return the body of a `find` in the side's order; the hint on `_id` also matches a clustered index.

        In natural order a range becomes a filter, which sees `_id`s of one type only: buckets have no others.
        """
        order = {"$natural": 1} if self.natural else {"_id": 1}
        bounds = {
            name: options.pop(key) for key, name in (("min", "$gte"), ("max", "$lt")) if self.natural and key in options
        }
        if bounds:
            options["filter"] = {"_id": {name: bound["_id"] for name, bound in bounds.items()}}
        body: dict[str, Any] = {"find": self.collection, "hint": order, **options}
        if self.after is not None:
            body["readConcern"] = {"level": "majority", "afterClusterTime": self.after}
        if self.at is not None:
            body["readConcern"] = {"level": "snapshot", "atClusterTime": self.at}
        if self.seconds is not None:
            body["maxTimeMS"] = max(1, int(self.seconds * 1000))
        return body


@dataclass(frozen=True)
class Span:
    """A range of `_id`, as `{_id: value}` documents: `lower` included, `upper` not; None is open. Types may differ."""

    lower: RawBSONDocument | None = None
    upper: RawBSONDocument | None = None

    def options(self) -> dict[str, Any]:
        """Return the options of `find`: index bounds, because comparisons in a filter see one type only."""
        bounds = {"min": self.lower, "max": self.upper}
        return {name: bound for name, bound in bounds.items() if bound is not None}


EVERYTHING = Span()


@dataclass(frozen=True)
class Digest:
    """What a range holds: how many documents, how many bytes, their digest, and when asked for a mark for every 1000 of them."""

    documents: int
    bytes: int
    digest: str
    marks: tuple[str, ...] = ()


class Digester:
    """Takes documents in batches of any size."""

    def __init__(self, with_marks: bool = True) -> None:
        """Nothing has been seen yet. Marks take a second hash of everything: manifests keep them, a validation needs none."""
        self.documents = self.bytes = 0
        self._with_marks = with_marks
        self._whole, self._chunk = _hash(), _hash()
        self._marks: list[str] = []

    def add(self, batch: list[bytes]) -> None:
        """Add documents, in the order of `_id`."""
        if not self._with_marks:
            self._count(b"".join(batch), len(batch))
            return
        at = 0
        while at < len(batch):
            room = CHUNK_DOCUMENTS - self.documents % CHUNK_DOCUMENTS
            taken = min(room, len(batch) - at)
            data = b"".join(batch[at : at + taken])
            self._chunk.update(data)
            self._count(data, taken)
            at += taken
            if taken == room:
                self._mark()

    def _count(self, data: bytes, documents: int) -> None:
        self._whole.update(data)  # one long update lets go of the GIL
        self.documents, self.bytes = self.documents + documents, self.bytes + len(data)

    def _mark(self) -> None:
        self._marks.append(self._chunk.hexdigest()[:16])
        self._chunk = _hash()

    def result(self) -> Digest:
        """Return what was seen; call it once, at the end."""
        if self._with_marks and self.documents % CHUNK_DOCUMENTS:
            self._mark()
        return Digest(self.documents, self.bytes, self._whole.hexdigest(), tuple(self._marks))


def _hash() -> hashlib._Hash:
    return hashlib.sha256(usedforsecurity=False)


def _body(side: Side, span: Span, ids_only: bool, limit: int) -> dict[str, Any]:
    options = span.options() | ({"projection": {"_id": 1}} if ids_only else {}) | ({"limit": limit} if limit else {})
    return side.find(**options)


def growing(
    side: Side, span: Span = EVERYTHING, *, ids_only: bool = False, limit: int = 0, with_marks: bool = True
) -> Generator[Digester, None, None]:
    """Yield the digester of a range after every page, `limit` documents in all (0: every one).

    A collection that is not there has none when it is addressed by name. Raises PyMongo's errors.
    """
    digester = Digester(with_marks)
    with pages.opened(side.client, side.database, _body(side, span, ids_only, limit)) as cursor:
        while cursor.alive:
            with PIECES.piece(cursor.expected_bytes):
                digester.add(cursor.next_page())
            yield digester


def read(
    side: Side, span: Span = EVERYTHING, *, ids_only: bool = False, limit: int = 0, each: Callable[[], None] = _nothing
) -> Digest:
    """Return the digest of a range, without marks, calling `each` after every page. Raises PyMongo's errors."""
    digester = Digester(with_marks=False)
    for digester in growing(side, span, ids_only=ids_only, limit=limit, with_marks=False):  # noqa: B007 - the last one is the whole
        each()
    return digester.result()


def _documents(
    side: Side, span: Span, ids_only: bool, each: Callable[[], None]
) -> Generator[RawBSONDocument, None, None]:
    with pages.opened(side.client, side.database, _body(side, span, ids_only, 0)) as cursor:
        while cursor.alive:
            for document in cursor.next_page():
                yield RawBSONDocument(document, RAW)
            each()


def bound_after(side: Side, lower: RawBSONDocument | None, documents: int) -> RawBSONDocument | None:
    """Return the `_id` of the document so many documents after a bound, as a bound; None when there are not so many."""
    body = side.find(**Span(lower).options(), projection={"_id": 1}, skip=documents, limit=1)
    found = side.command(body)["cursor"]["firstBatch"]
    return found[0] if found else None


def random_bounds(side: Side, many: int) -> list[RawBSONDocument]:
    """Return the `_id` of some random documents, as bounds. The side needs the collection's name, not its UUID."""
    pipeline = [{"$sample": {"size": many}}, {"$project": {"_id": 1}}]
    return list(
        side.command({"aggregate": side.collection, "pipeline": pipeline, "cursor": {}})["cursor"]["firstBatch"]
    )


@dataclass(frozen=True)
class Difference:
    """One document that two sides do not agree on: `missing` on the second, `extra` there, or `changed`."""

    kind: str
    id: str
    """For the job's own files alone; what a message calls it, `state.documents` knows."""


def differences(
    expected: Side,
    found: Side,
    span: Span = EVERYTHING,
    *,
    most: int = 5,
    ids_only: bool = False,
    each: Callable[[], None] = _nothing,
) -> list[Difference]:
    """Name the first documents that differ, at most `most`.

    Both sides are read in step, a batch of each in memory. Which side lacks a document is asked of the other side, since
    the order of values of different types is the server's business. Raises PyMongo's errors.
    """
    left_documents = _documents(expected, span, ids_only, each)
    right_documents = _documents(found, span, ids_only, each)
    result: list[Difference] = []
    with contextlib.closing(left_documents), contextlib.closing(right_documents):
        left, right = next(left_documents, None), next(right_documents, None)
        while (left is not None or right is not None) and len(result) < most:
            kind = _kind(expected, found, left, right)
            if kind != "equal":
                document = right if kind == "extra" else left
                result.append(Difference(kind, shown(document["_id"]) if document is not None else ""))
            if kind != "extra":
                left = next(left_documents, None)
            if kind != "missing":
                right = next(right_documents, None)
    return result


def _kind(expected: Side, found: Side, left: RawBSONDocument | None, right: RawBSONDocument | None) -> str:
    if left is None:
        return "extra"
    if right is None:
        return "missing"
    if left.raw == right.raw:
        return "equal"
    if id_of(left) != id_of(right):
        if not _has(found, left):
            return "missing"
        if not _has(expected, right):
            return "extra"
    return "changed"


def _has(side: Side, document: RawBSONDocument) -> bool:
    body = side.find(filter=by_id(document), projection={"_id": 1}, limit=1)
    return bool(side.command(body)["cursor"]["firstBatch"])
