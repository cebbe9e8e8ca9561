"""Statements for the head."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import DBRef
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.errors import Unsupported
from backup_agent.replay.capped import Touched, plain_options
from backup_agent.replay.groups import Group, Op
from backup_agent.replay.statements import query, replacement, statement, update_argument
from backup_agent.times import OpTime
from backup_agent.values import RAW


def raw(document: dict[str, Any]) -> RawBSONDocument:
    """Return a document as it is in the oplog."""
    return RawBSONDocument(bson.encode(document), RAW)


def op(kind: str, identity: Any, **fields: Any) -> Op:
    """Return an operation on one document."""
    return Op(
        kind, b"ui", "db.c", raw({"_id": identity, **fields}), raw({"_id": identity}), OpTime(Timestamp(1, 1), 1), 0
    )


def test_an_id_is_passed_through_as_it_is() -> None:
    """The oplog's own document is the filter; a shard key beside the `_id` is left out."""
    identity = raw({"_id": 1})
    assert query(identity) is identity
    assert {"_id": 1} == dict(query(raw({"_id": 1, "shard": 2})))


def test_a_reference_as_an_id_is_no_operator() -> None:
    """`{_id: {$ref: …}}` would be read as an operator."""
    found = query(raw({"_id": DBRef("c", 1)}))
    assert ["$eq"] == list(found["_id"])


def test_names_with_dollars_are_replaced_by_a_pipeline() -> None:
    """As a plain replacement they would be modifiers, or refused."""
    plain = raw({"_id": 1, "a": "$money"})
    assert replacement(plain) is plain
    assert isinstance(replacement(raw({"_id": 1, "$set": 1})), list)
    large = raw({"o": {"_id": 1, "$set": 1, "pad": "x" * 5000}})["o"]
    assert isinstance(large.raw, memoryview), "the driver gives large documents inside of others as views"
    assert isinstance(replacement(large), list)


def test_inserts_are_strict_only_after_the_consistency_point() -> None:
    """Before it an insert replaces what a fuzzy copy holds already."""
    group = Group(b"ui", "i", [op("i", 1, a=1)])
    assert "insert" == next(iter(statement("c", group, strict=True)))
    lenient = statement("c", group, strict=False)
    assert (True, {"_id": 1}) == (lenient["updates"][0]["upsert"], dict(lenient["updates"][0]["q"]))


def test_an_update_of_another_version_is_refused() -> None:
    """It is named, and nothing is guessed."""
    with pytest.raises(Unsupported, match="version 1 or 2, found 3"):
        update_argument(raw({"$v": 3}), lambda: "u on db.c")


def test_a_batch_inserts_no_document_of_a_capped_collection_twice() -> None:
    """The newest document would no longer say how far a batch came."""
    touched = Touched()
    assert [False, False, False, True] == [
        touched.repeats(found) for found in (op("i", 1), op("d", 2), op("u", 2), op("i", 2))
    ]


def test_a_capped_collection_is_an_ordinary_one_first() -> None:
    """Its limits wait in the model; every other option is kept."""
    options = bson.SON([("capped", True), ("size", 4096), ("max", 3), ("collation", {"locale": "de"})])
    now, later = plain_options(options)
    assert ["collation"] == list(now)
    assert {"capped": True, "size": 4096, "max": 3} == later
    assert (now, None) == plain_options(now)
