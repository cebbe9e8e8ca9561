"""Documents of raw BSON: found and put together without decoding, whatever their strings hold."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.raw.assembly import by_id, by_ids, only_id
from backup_agent.raw.elements import has_zero_timestamp
from backup_agent.values import RAW


def raw(**fields: Any) -> RawBSONDocument:
    """Return a raw document in which every `¤` is two bytes that are no UTF-8."""
    return RawBSONDocument(bson.encode(fields).replace("¤".encode(), b"\xff\xfe"), RAW)


@pytest.mark.parametrize("identifier", [1, 1.5, "a", "¤", {"¤": "¤"}, b"\xff", None])
def test_an_id_is_passed_through(identifier: Any) -> None:
    """The filters and the projection have the bytes of the `_id`, also of a string that is not UTF-8."""
    document = raw(before="¤", _id=identifier, after=1)
    assert raw(_id=identifier).raw == only_id(document).raw
    assert raw(_id={"$eq": identifier}).raw == by_id(document).raw
    assert raw(_id={"$in": [identifier, 2]}).raw == by_ids([document, raw(_id=2)]).raw
    with pytest.raises(KeyError):
        only_id(raw(a=1))


def test_zero_timestamps_are_found_at_the_top_only() -> None:
    """The server replaces Timestamp(0, 0) in top-level fields of an inserted document but `_id`, and only there."""
    assert has_zero_timestamp(raw(_id=1, s="¤", t=Timestamp(0, 0), u=Timestamp(1, 1)).raw)
    assert not has_zero_timestamp(raw(_id=1, n=0, s="\x11").raw)
    assert not has_zero_timestamp(raw(_id=Timestamp(0, 0), inner={"t": Timestamp(0, 0)}, s="¤").raw)


def inside(**fields: Any) -> memoryview | bytes:
    """Return a document as the driver gives one that lies inside of another: of 4 KB and more it is a view, not bytes."""
    found = RawBSONDocument(bson.encode({"o": fields}), RAW)["o"]
    assert isinstance(found, RawBSONDocument)
    return found.raw


def test_zero_timestamps_are_found_in_large_documents_too() -> None:
    """A large document inside of an entry is a view of it, in which `in` finds no bytes."""
    assert has_zero_timestamp(inside(_id=1, zero=Timestamp(0, 0), pad="x" * 5000))
    assert has_zero_timestamp(inside(_id=1, zero=Timestamp(0, 0)))
    assert not has_zero_timestamp(inside(_id=1, one=Timestamp(0, 1), pad="x" * 5000))
