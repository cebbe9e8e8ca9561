from __future__ import annotations

import random

import bson
import pytest

from lab import data, documents


def test_the_same_seed_makes_the_same_documents() -> None:
    """A run can be repeated: documents and changes depend on the seed alone."""
    first, second = random.Random(7), random.Random(7)

    for number in range(50):
        assert documents.document(first, "a", number, 500) == documents.document(second, "a", number, 500)
        assert documents.change(first) == documents.change(second)


def test_identifiers_are_unique_and_of_several_types() -> None:
    """Collections hold `_id`s of several types, so that ranges by `_id` are tested across types."""
    rng = random.Random(1)
    ids = [documents.identifier(rng, "a", number) for number in range(1000)]

    assert len({bson.encode({"_id": value}) for value in ids}) == 1000
    assert {type(value).__name__ for value in ids} == {"ObjectId", "Int64", "dict", "str"}


@pytest.mark.parametrize("size", [500, 1000, 5000])
def test_documents_have_about_the_size_asked_for(size: int) -> None:
    """The size of a document is settable, because it decides how fast an oplog rolls over."""
    rng = random.Random(1)
    sizes = [len(bson.encode(documents.document(rng, "a", number, size))) for number in range(200)]

    assert sum(sizes) / len(sizes) == pytest.approx(size, rel=0.4)


def test_names_do_not_run_out() -> None:
    """Any number of collections has different names."""
    assert len(set(documents.collection_names(20))) == 20


@pytest.mark.parametrize("collections", [1, 2, 4, 9])
def test_shares_add_up(collections: int) -> None:
    """All of the data is shared out, and no collection is as big as the one before."""
    shares = data.shares(collections)

    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
