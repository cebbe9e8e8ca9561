"""The pages of a cursor: documents are cut out of replies, byte for byte."""

from __future__ import annotations

import bson
import pytest
from bson.errors import InvalidBSON
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_agent.raw.pages import read_reply


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.binary(max_size=40), max_size=120), st.integers(0, 2**62), st.sampled_from(["firstBatch", "nextBatch"])
)
def test_documents_are_cut_out_of_a_reply(values: list[bytes], number: int, field: str) -> None:
    """The documents of a reply are found byte for byte, whatever else the server puts into it."""
    documents = [{"_id": at, "value": value} for at, value in enumerate(values)]
    others = {
        "partialResultsReturned": True,
        "atClusterTime": bson.Timestamp(1, 2),
        "token": {"id": 9, "list": [1]},
        "x": [1.5, None],
    }
    cursor = {"a": others, **others, field: documents, "id": bson.Int64(number), "ns": "shop.a.b"}

    found = read_reply(bson.encode(cursor))

    assert (number, "a.b", [bson.encode(d) for d in documents]) == found


def test_a_reply_without_a_batch_is_an_error() -> None:
    """A reply that is not a cursor's is named, and is not taken for an empty one."""
    with pytest.raises(InvalidBSON, match="batch"):
        read_reply(bson.encode({"id": bson.Int64(1), "ns": "a.b"}))
