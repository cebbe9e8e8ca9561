"""The diffs of oplog updates, on raw BSON."""

from __future__ import annotations

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_agent.errors import Unsupported
from backup_agent.raw.assembly import assemble
from backup_agent.replay.diffs import apply_diff, elements
from backup_agent.values import Json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdef", max_size=3), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.text("abcdefgh", max_size=3), VALUES, max_size=6)


def patched(document: Json, diff: Json) -> Json:
    """Apply a diff to a document."""
    return bson.decode(apply_diff(bson.encode(document), bson.encode(diff)))


@settings(deadline=None)
@given(DOCUMENTS)
def test_taking_apart_and_putting_together_changes_nothing(document: Json) -> None:
    """Whatever is in a document, its elements make the same bytes again."""
    data = bson.encode(document)
    assert data == assemble(list(elements(data)))


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_replaced_fields_stay_where_they_are(document: Json, values: Json) -> None:
    """`u` replaces in place and appends what is new, as a dictionary does."""
    expected = {**document, **values}
    found = patched(document, {"u": values})
    assert list(expected.items()) == list(found.items())


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS)
def test_inserted_fields_go_to_the_end(document: Json, values: Json) -> None:
    """`i` appends, also what stood somewhere else before."""
    kept = [name for name in document if name not in values]
    assert [*kept, *values] == list(patched(document, {"i": values}))


@pytest.mark.parametrize(
    ("document", "diff", "expected"),
    [
        ({"a": 1, "b": 2}, {"d": {"a": False}}, {"b": 2}),
        ({"a": {"b": {"c": 1}}}, {"sa": {"sb": {"u": {"c": 2}}}}, {"a": {"b": {"c": 2}}}),
        ({"a": [1, 2, 3]}, {"sa": {"a": True, "l": 1}}, {"a": [1]}),
        ({"a": [1]}, {"sa": {"a": True, "u3": 9}}, {"a": [1, None, None, 9]}),
        ({"a": [{"b": 1}]}, {"sa": {"a": True, "s0": {"u": {"b": 2}}}}, {"a": [{"b": 2}]}),
        ({"a": [[1, 2]]}, {"sa": {"a": True, "s0": {"a": True, "u1": 7}}}, {"a": [[1, 7]]}),
        ({"a": 5}, {"sa": {"u": {"b": 1}}}, {"a": 5}),
        ({"a": [1]}, {"sa": {"u": {"b": 1}}}, {"a": [1]}),
    ],
)
def test_diffs_go_as_deep_as_the_document(document: Json, diff: Json, expected: Json) -> None:
    """Fields, arrays and their elements; a diff for a kind that the field no longer has changes nothing, as in the server."""
    assert expected == patched(document, diff)


@pytest.mark.parametrize("diff", [{"x": {"a": 1}}, {"sa": {"a": True, "x1": 1}}])
def test_a_section_that_is_not_known_is_refused(diff: Json) -> None:
    """A diff of a later server is never applied by halves."""
    with pytest.raises(Unsupported, match="expected the sections"):
        patched({"a": [1]}, diff)
