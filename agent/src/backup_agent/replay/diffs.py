"""Apply the diff of an oplog update (`$v: 2`) to a document, on raw BSON, for servers that do not lend out their own stage.

MongoDB 6.0 and newer take the diff by `$_internalApplyOplogUpdate`; 5.0 does not. The rules are those of the server's
`doc_diff` (see the comment in `src/mongo/db/update/document_diff_serialization.h`): a document diff has, in this order, `d`
(names to remove), `u` (values to replace in place, or to append), `i` (values to append, removed first where they stand) and
`s<name>` (diffs of a field); an array diff has `a: true`, `l` (a new length), `u<index>` (a value) and `s<index>` (a diff).
Elements that are not named keep their bytes, so that types which PyMongo cannot tell apart stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from backup_agent.errors import Unsupported
from backup_agent.raw.assembly import Element, Value, array, assemble
from backup_agent.raw.elements import ARRAY, DOCUMENT, LENGTH, NULL, walk


def elements(document: bytes) -> Iterator[Element]:
    """Yield the elements of a document or an array, in order, duplicate names included."""
    return ((name, (kind, document[start:end])) for name, kind, start, end in walk(document))


def apply_diff(document: bytes, diff: bytes) -> bytes:
    """Return a document as a diff leaves it. Raises Unsupported for a section that is not known."""
    fields = list(elements(document))
    for name, (_kind, data) in elements(diff):
        fields = _with_section(fields, name, data)
    return assemble(fields)


def _with_section(fields: list[Element], section: bytes, data: bytes) -> list[Element]:
    if section == b"d":
        return _without(fields, elements(data))
    if section == b"u":
        return _replaced(fields, dict(elements(data)))
    if section == b"i":
        added = list(elements(data))
        return _without(fields, added) + added
    if section[:1] == b"s":
        return [(name, _patched(value, data)) if name == section[1:] else (name, value) for name, value in fields]
    raise Unsupported(f"expected the sections d, u, i and s in an oplog update, found {bytes(section)!r}")


def _without(fields: list[Element], gone: Iterable[Element]) -> list[Element]:
    names = {name for name, _ in gone}
    return [field for field in fields if field[0] not in names]


def _replaced(fields: list[Element], values: dict[bytes, Value]) -> list[Element]:
    present = {name for name, _ in fields}
    kept = [(name, values.get(name, value)) for name, value in fields]
    return kept + [(name, value) for name, value in values.items() if name not in present]


def _patched(value: Value, diff: bytes) -> Value:
    """Apply the diff of one field; one that is no longer of the kind that the diff is for stays, as in the server."""
    kind, data = value
    is_array = diff[4:7] == b"\x08a\0"
    if kind == ARRAY and is_array:
        return kind, _apply_array_diff(data, diff)
    if kind == DOCUMENT and not is_array:
        return kind, apply_diff(data, diff)
    return value


def _apply_array_diff(before: bytes, diff: bytes) -> bytes:
    values = [value for _, value in elements(before)]
    for name, (kind, data) in elements(diff):
        if name == b"a":
            continue
        if name == b"l":
            length = int(LENGTH.unpack(data)[0])
            values = values[:length] + [(NULL, b"")] * (length - len(values))
            continue
        index = int(name[1:])
        values += [(NULL, b"")] * (index + 1 - len(values))
        if name[:1] == b"u":
            values[index] = (kind, data)
        elif name[:1] == b"s":
            values[index] = _patched(values[index], data)
        else:
            raise Unsupported(f"expected the sections a, l, u and s in an oplog update, found {bytes(name)!r}")
    return array(values)
