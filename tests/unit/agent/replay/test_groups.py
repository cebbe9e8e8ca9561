"""How a batch becomes few commands."""

from __future__ import annotations

from typing import Any

import bson
from bson.decimal128 import Decimal128
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from backup_agent.replay.groups import Op, grouped, id_key
from backup_agent.times import OpTime


def raw(**fields: Any) -> RawBSONDocument:
    """Return a raw document."""
    return RawBSONDocument(bson.encode(fields))


def op(kind: str, identifier: Any, ui: bytes = b"a", index: int = 0) -> Op:
    """Return an operation on a document."""
    o2 = raw(_id=identifier) if kind == "u" else None
    return Op(kind, ui, "db.c", raw(_id=identifier), o2, OpTime(Timestamp(1, index), 1), index)


def never(ui: bytes) -> bool:
    """No collection needs the order of the source."""
    return False


def always(ui: bytes) -> bool:
    """Every collection needs the order of the source."""
    return True


def test_operations_on_different_documents_share_a_command() -> None:
    """Three inserts become one command."""
    groups = grouped([op("i", 1), op("i", 2), op("i", 3)], never)
    assert [("i", 3)] == [(g.kind, len(g.ops)) for g in groups]


def test_operations_on_one_document_keep_their_order() -> None:
    """Insert, update, delete, insert of one document are four commands in that order."""
    groups = grouped([op("i", 1), op("u", 1), op("d", 1), op("i", 1)], never)
    assert ["i", "u", "d", "i"] == [g.kind for g in groups]


def test_updates_of_one_document_in_a_row_share_a_command() -> None:
    """A command applies its statements in order, so repeated updates need no level of their own."""
    groups = grouped([op("u", 1, index=0), op("u", 1, index=1)], never)
    assert [[0, 1]] == [[o.index for o in g.ops] for g in groups]


@given(st.lists(st.tuples(st.sampled_from("iud"), st.integers(0, 3), st.sampled_from([b"a", b"b"])), max_size=40))
def test_no_document_sees_its_operations_in_another_order(program: list[tuple[str, int, bytes]]) -> None:
    """Whatever the batch, each document's operations come out complete and in the order they went in."""
    ops = [op(kind, identifier, ui, index) for index, (kind, identifier, ui) in enumerate(program)]
    out = [o for group in grouped(ops, never) for o in group.ops]
    assert sorted(o.index for o in ops) == sorted(o.index for o in out)
    for key in {(o.ui, o.identity) for o in ops}:
        assert [o.index for o in ops if (o.ui, o.identity) == key] == [
            o.index for o in out if (o.ui, o.identity) == key
        ]


@given(st.lists(st.tuples(st.sampled_from("iud"), st.integers(0, 3)), max_size=40))
def test_in_order_means_the_order_of_the_source(program: list[tuple[str, int]]) -> None:
    """A collection that asks for it gets every operation exactly in the order of the source."""
    ops = [op(kind, identifier, b"a", index) for index, (kind, identifier) in enumerate(program)]
    out = [o.index for group in grouped(ops, always) for o in group.ops]
    assert list(range(len(program))) == out


def test_numbers_of_all_types_are_one_key() -> None:
    """The server compares numbers by value: 1, 1.0, NumberLong(1) and Decimal128(1) are the same `_id`."""
    keys = {id_key(1), id_key(1.0), id_key(Int64(1)), id_key(Decimal128("1.0"))}
    assert 1 == len(keys)
    assert id_key(True) != id_key(1)
    assert id_key(float("nan")) == id_key(Decimal128("NaN"))


def test_documents_are_keys_by_their_fields() -> None:
    """An embedded `_id` is compared field by field, with its order."""
    one, same, other = raw(_id={"a": 1, "b": 2}), raw(_id={"a": 1.0, "b": 2}), raw(_id={"b": 2, "a": 1})
    assert id_key(one["_id"]) == id_key(same["_id"])
    assert id_key(one["_id"]) != id_key(other["_id"])


IDENTIFIERS = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    st.binary(max_size=12),
    st.floats(),
    st.booleans(),
)


@given(IDENTIFIERS, st.booleans())
def test_a_key_read_from_bytes_is_that_of_the_decoded_value(identifier: Any, first: bool) -> None:
    """The same document may be named by an operation whose `_id` comes first and by one whose `_id` does not."""
    document = raw(_id=identifier, a=1) if first else raw(a=1, _id=identifier)
    assert Op("i", b"a", "db.c", document, None, OpTime(Timestamp(1, 1), 1), 0).key == id_key(
        raw(_id=identifier)["_id"]
    )
