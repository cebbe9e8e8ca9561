"""The elements of raw BSON documents, found without decoding them: names, types and where their bytes are.

The layout is that of https://bsonspec.org/spec.html. Nothing is copied: documents of 16 MB are walked over where they lie.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

from bson.errors import InvalidBSON

STRING, DOCUMENT, ARRAY, OBJECT_ID, NULL, INT32, TIMESTAMP, INT64 = 0x02, 0x03, 0x04, 0x07, 0x0A, 0x10, 0x11, 0x12
LENGTH = struct.Struct("<i")
_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_COUNTED = {0x02: 4, 0x0D: 4, 0x0E: 4, DOCUMENT: 0, ARRAY: 0, 0x0F: 0, 0x05: 5, 0x0C: 16}
"""Of a value that begins with its length, the bytes that this does not count: documents and code with scope count themselves."""


class Element(NamedTuple):
    """One element: its name, its type, and its value's bytes from `start` to `end` of the bytes that were walked."""

    name: bytes
    kind: int
    start: int
    end: int


def _size(kind: int, data: bytes, at: int) -> int:
    """Return how many bytes a value takes. Raises InvalidBSON for a type that BSON does not have."""
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _COUNTED:
        return _COUNTED[kind] + int(LENGTH.unpack_from(data, at)[0])
    if kind == 0x0B:
        return data.index(0, data.index(0, at) + 1) + 1 - at
    raise InvalidBSON(f"expected a type of BSON, found 0x{kind:02x}")


def walk(data: bytes, at: int = 0) -> Iterator[Element]:
    """Yield the elements of the document or array that begins at `at`, in order, duplicate names included.

    Raises InvalidBSON for a type that BSON does not have.
    """
    at += 4
    while kind := data[at]:
        end = data.index(0, at + 1)
        size = _size(kind, data, end + 1)
        yield Element(data[at + 1 : end], kind, end + 1, end + 1 + size)
        at = end + 1 + size


Bytes = bytes | memoryview
"""The driver gives documents of 4 KB and more inside of others as views: `in` finds no bytes in those."""

_DOLLAR = re.compile(rb"\$")
_TIMESTAMP = re.compile(rb"\x11")
_NAME_ENDS_BEFORE_ZEROS = re.compile(rb"\0{9}")
_ID = b"_id\0"


def may_name_operators(document: Bytes) -> bool:
    """Say whether there is a dollar in a document at all; most have none."""
    return _DOLLAR.search(document) is not None


def may_hold_zero_timestamps(document: Bytes) -> bool:
    """Say whether bytes as of an element `Timestamp(0, 0)` are in a document at all; most have none.

    Two searches, each of which reads every byte once: one pattern for both could take the square of that.
    """
    return _NAME_ENDS_BEFORE_ZEROS.search(document) is not None and _TIMESTAMP.search(document) is not None


def has_zero_timestamp(document: Bytes) -> bool:
    """Say whether a field at the top, but `_id`, is `Timestamp(0, 0)`: the server puts the time there when it inserts."""
    if not may_hold_zero_timestamps(document):
        return False
    data = bytes(document)
    return any(e.kind == TIMESTAMP and e.name != b"_id" and not any(data[e.start : e.end]) for e in walk(data))


def is_id_alone(document: bytes) -> bool:
    """Say whether `_id` is the only element of a document."""
    return document[5:9] == _ID and 9 + _size(document[4], document, 9) == len(document) - 1


def simple_id(document: Bytes) -> tuple[int, int | bytes] | None:
    """Return type and value of an `_id` that comes first and is an integer or, as its bytes, a string or an object id; else None.

    It is read where it lies: to decode a document for its `_id` takes ten times as long.
    """
    if document[5:9] != _ID:
        return None
    kind = document[4]
    if kind == OBJECT_ID:
        return kind, bytes(document[9:21])
    if kind == STRING:
        return kind, bytes(document[13 : 12 + LENGTH.unpack_from(document, 9)[0]])
    if kind in (INT32, INT64):
        return kind, int.from_bytes(document[9 : 9 + _FIXED[kind]], "little", signed=True)
    return None


def first_name(document: bytes) -> str:
    """Return the name of the first element, or an empty string."""
    return document[5 : document.index(0, 5)].decode() if document[4] else ""


def names(document: bytes) -> set[bytes]:
    """Return the names of the elements."""
    return {element.name for element in walk(document)}


def find(data: bytes, name: bytes, at: int = 0) -> Element | None:
    """Return the first element of this name in the document that begins at `at`, or None."""
    return next((element for element in walk(data, at) if element.name == name), None)


def documents(data: bytes, at: int) -> list[bytes]:
    """Return the documents of the array that begins at `at`; it holds nothing else."""
    end = at + LENGTH.unpack_from(data, at)[0] - 1
    found, index, length = [], data.index, LENGTH.unpack_from
    at += 4
    while at < end:
        at = index(0, at + 1) + 1
        size = length(data, at)[0]
        found.append(data[at : at + size])
        at += size
    return found
