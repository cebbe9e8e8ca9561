"""Documents that are put together from raw BSON: what is in them is never decoded, so that every byte stays what it was."""

from __future__ import annotations

from collections.abc import Iterable

from bson.raw_bson import RawBSONDocument

from backup_agent.raw.elements import ARRAY, DOCUMENT, LENGTH, find
from backup_agent.values import RAW

Value = tuple[int, bytes]
"""The type of an element and its bytes."""
Element = tuple[bytes, Value]
"""A name and what it holds."""


def assemble(found: Iterable[Element]) -> bytes:
    """Return the document with these elements."""
    body = b"".join(bytes((kind,)) + name + b"\0" + data for name, (kind, data) in found)
    return LENGTH.pack(len(body) + 5) + body + b"\0"


def array(values: Iterable[Value]) -> bytes:
    """Return the array of these values."""
    return assemble((str(number).encode(), value) for number, value in enumerate(values))


def id_of(document: RawBSONDocument) -> Value:
    """Return the `_id` of a document. Raises KeyError when it has none."""
    raw = bytes(document.raw)
    found = find(raw, b"_id")
    if found is None:
        raise KeyError("_id")
    return found.kind, raw[found.start : found.end]


def only_id(document: RawBSONDocument) -> RawBSONDocument:
    """Return the document with its `_id` alone."""
    return RawBSONDocument(assemble([(b"_id", id_of(document))]), RAW)


def by_id(document: RawBSONDocument) -> RawBSONDocument:
    """Return the filter that matches the document with the same `_id`, whatever that is."""
    equal = assemble([(b"$eq", id_of(document))])
    return RawBSONDocument(assemble([(b"_id", (DOCUMENT, equal))]), RAW)


def by_ids(documents: Iterable[RawBSONDocument]) -> RawBSONDocument:
    """Return the filter that matches the documents with the same `_id`s."""
    among = assemble([(b"$in", (ARRAY, array(map(id_of, documents))))])
    return RawBSONDocument(assemble([(b"_id", (DOCUMENT, among))]), RAW)
