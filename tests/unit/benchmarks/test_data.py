"""What the benchmarks measure with."""

from __future__ import annotations

import random
from itertools import pairwise

import bson
from pymongo import DeleteOne, InsertOne, UpdateOne

from benchmarks.data import BASE_DOCUMENTS, Documents, hundreds


def test_a_document_put_together_from_bytes_is_valid() -> None:
    """It has its own _id and number, and the rest of an order, at about the size that was asked for."""
    raw = Documents(1000)(7).raw
    found = bson.decode(raw)
    assert (found["_id"], found["number"]) == (7, "n-7")
    assert {"status", "placed_at", "lines"} <= set(found)
    assert 800 < len(raw) < 1200


def test_every_hundred_writes_are_sixty_inserts_thirty_updates_and_ten_deletes() -> None:
    """And no document is met twice among them, because they are sent in any order."""
    there = set(range(BASE_DOCUMENTS))
    for writes in hundreds(Documents(500), 1000, random.Random(1)):
        inserts = {write._doc["_id"] for write in writes if isinstance(write, InsertOne)}
        updates = {write._filter["_id"] for write in writes if isinstance(write, UpdateOne)}
        deletes = {write._filter["_id"] for write in writes if isinstance(write, DeleteOne)}
        assert (len(inserts), len(updates), len(deletes)) == (60, 30, 10)
        assert not inserts & there
        assert updates | deletes <= there
        assert not updates & deletes
        there = (there - deletes) | inserts


def test_bodies_differ() -> None:
    """Equal documents would compress to nothing."""
    make = Documents(1000)
    assert all(
        bson.decode(a.raw)["note"] != bson.decode(b.raw)["note"] for a, b in pairwise(make(n) for n in range(20))
    )
