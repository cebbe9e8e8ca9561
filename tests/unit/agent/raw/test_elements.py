"""Walking over raw BSON: every type is passed by its right size."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.errors import InvalidBSON

from backup_agent.raw.elements import documents, find, first_name, names, walk

EVERY_TYPE: dict[str, Any] = {
    "double": 1.5,
    "string": "ä\0b",
    "document": {"a": {"b": 1}},
    "array": [1, "x", {"y": 2}],
    "binary": Binary(b"\0\1\2", 5),
    "old binary": Binary(b"abc", 2),
    "id": ObjectId(),
    "bool": True,
    "date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "null": None,
    "regex": Regex("a.b", "im"),
    "reference": DBRef("c", 1),
    "code": Code("f()"),
    "scoped code": Code("f()", {"x": 1}),
    "int": 7,
    "timestamp": Timestamp(1, 2),
    "long": Int64(2**40),
    "decimal": Decimal128("1.20"),
    "least": MinKey(),
    "most": MaxKey(),
    "last": "end",
}


def test_every_type_is_walked_over() -> None:
    """Names come in order, and the bytes between two of them are exactly the value's."""
    raw = bson.encode(EVERY_TYPE)
    found = list(walk(raw))
    assert list(EVERY_TYPE) == [element.name.decode() for element in found]
    for element in found:
        alone = bytes((element.kind,)) + element.name + b"\0" + raw[element.start : element.end]
        assert bson.encode({element.name.decode(): EVERY_TYPE[element.name.decode()]})[4:-1] == alone


def test_a_type_that_bson_does_not_have_is_an_error() -> None:
    """Bytes that are no BSON are not guessed at."""
    with pytest.raises(InvalidBSON, match="0x20"):
        list(walk(b"\x0a\0\0\0\x20a\0\1\2\0"))


def test_names_are_found_without_decoding() -> None:
    """The first name, all names, and one element in a document inside of another."""
    raw = bson.encode({"o": {"applyOps": [{"op": "i"}, {"op": "d"}], "partialTxn": True}, "ns": "admin.$cmd"})
    o = find(raw, b"o")
    assert o is not None
    assert ("o", {b"o", b"ns"}) == (first_name(raw), names(raw))
    inner = find(raw, b"applyOps", o.start)
    assert inner is not None
    assert [{"op": "i"}, {"op": "d"}] == [bson.decode(d) for d in documents(raw, inner.start)]
    assert find(raw, b"nothing") is None
    assert "" == first_name(bson.encode({}))
