"""Apply the diff of an oplog update (`$v: 2`) to a document, on raw BSON, for servers that do not lend out their own stage.

MongoDB 6.0 and newer take the diff by `$_internalApplyOplogUpdate`; 5.0 does not. The rules are those of the server's
`doc_diff` (see the comment in `src/mongo/db/update/document_diff_serialization.h`): a document diff has, in this order, `d`
(names to remove), `u` (values to replace in place, or to append), `i` (values to append, removed first where they stand) and
`s<name>` (diffs of a field); an array diff has `a: true`, `l` (a new length), `u<index>` (a value) and `s<index>` (a diff).
Elements that are not named keep their bytes, so that types which PyMongo cannot tell apart stay what they were.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from backup_agent.errors import Unsupported

_LENGTH = struct.Struct("<i")
_FIXED = {0x01: 8, 0x06: 0, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8, 0x13: 16, 0x7F: 0, 0xFF: 0}
_DOCUMENT, _ARRAY, _NULL = 0x03, 0x04, 0x0A

Value = tuple[int, bytes]
"""The type of an element and its bytes."""
Element = tuple[bytes, Value]
"""A name and what it holds."""


def _size(kind: int, data: bytes, at: int) -> int:
    """Return how many bytes a value takes. Raises Unsupported for a type that BSON does not have."""
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in (0x02, 0x0D, 0x0E):  # string, code, symbol
        return 4 + int(_LENGTH.unpack_from(data, at)[0])
    if kind in (_DOCUMENT, _ARRAY, 0x0F):  # code with scope counts itself, as documents do
        return int(_LENGTH.unpack_from(data, at)[0])
    if kind == 0x05:
        return 5 + int(_LENGTH.unpack_from(data, at)[0])
    if kind == 0x0C:
        return 4 + int(_LENGTH.unpack_from(data, at)[0]) + 12
    if kind == 0x0B:
        return data.index(0, data.index(0, at) + 1) + 1 - at
    raise Unsupported(f"expected a type of BSON in an oplog update, found 0x{kind:02x}")


def elements(document: bytes) -> Iterator[Element]:
    """Yield the elements of a document or an array, in order, duplicate names included."""
    at = 4
    while document[at]:
        kind = document[at]
        end = document.index(0, at + 1)
        size = _size(kind, document, end + 1)
        yield document[at + 1 : end], (kind, document[end + 1 : end + 1 + size])
        at = end + 1 + size


def assemble(found: list[Element]) -> bytes:
    """Return the document with these elements."""
    body = b"".join(bytes((kind,)) + name + b"\0" + data for name, (kind, data) in found)
    return _LENGTH.pack(len(body) + 5) + body + b"\0"


def apply_diff(document: bytes, diff: bytes) -> bytes:
    """Return a document as a diff leaves it. Raises Unsupported for a section that is not known."""
    fields = list(elements(document))
    for name, (_kind, data) in elements(diff):
        if name == b"d":
            gone = {field for field, _ in elements(data)}
            fields = [field for field in fields if field[0] not in gone]
        elif name == b"u":
            fields = _replaced(fields, dict(elements(data)))
        elif name == b"i":
            added = list(elements(data))
            names = {field for field, _ in added}
            fields = [field for field in fields if field[0] not in names] + added
        elif name[:1] == b"s":
            fields = [(f, _patched(v, data)) if f == name[1:] else (f, v) for f, v in fields]
        else:
            raise Unsupported(f"expected the sections d, u, i and s in an oplog update, found {name.decode()!r}")
    return assemble(fields)


def _replaced(fields: list[Element], values: dict[bytes, Value]) -> list[Element]:
    present = {name for name, _ in fields}
    kept = [(name, values.get(name, value)) for name, value in fields]
    return kept + [(name, value) for name, value in values.items() if name not in present]


def _patched(value: Value, diff: bytes) -> Value:
    """Apply the diff of one field; one that is no longer of the kind that the diff is for stays, as in the server."""
    kind, data = value
    is_array = diff[4:7] == b"\x08a\0"
    if kind == _ARRAY and is_array:
        return kind, _apply_array_diff(data, diff)
    if kind == _DOCUMENT and not is_array:
        return kind, apply_diff(data, diff)
    return value


def _apply_array_diff(array: bytes, diff: bytes) -> bytes:
    values = [value for _, value in elements(array)]
    for name, (kind, data) in elements(diff):
        if name == b"a":
            continue
        if name == b"l":
            length = int(_LENGTH.unpack(data)[0])
            values = values[:length] + [(_NULL, b"")] * (length - len(values))
            continue
        index = int(name[1:])
        values += [(_NULL, b"")] * (index + 1 - len(values))
        if name[:1] == b"u":
            values[index] = (kind, data)
        elif name[:1] == b"s":
            values[index] = _patched(values[index], data)
        else:
            raise Unsupported(f"expected the sections a, l, u and s in an oplog update, found {name.decode()!r}")
    return assemble([(str(number).encode(), value) for number, value in enumerate(values)])
