"""What of a collection's options is shown in a difference."""

from __future__ import annotations

import pytest

from backup_agent.compare.manifest import canonical
from backup_agent.compare.options import shown


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "{}"),
        ({"capped": True, "size": 4096}, '{"capped":true,"size":{"$numberInt":"4096"}}'),
        ({"key": {"a": 1, "b": -1}}, '{"key":{"a":{"$numberInt":"1"},"b":{"$numberInt":"-1"}}}'),
        ({"collation": {"locale": "de"}}, '{"collation":{"locale":"de"}}'),
        ({"validationLevel": "strict"}, '{"validationLevel":"strict"}'),
        ({"validator": {"ssn": {"$in": ["078-05-1120", 7]}}}, '{"validator":{"ssn":{"$in":["…","…"]}}}'),
        ({"validator": {"iban": "DE89", "n": {"$gt": 5}}}, '{"validator":{"iban":"…","n":{"$gt":"…"}}}'),
        ({"pipeline": [{"$match": {"name": "Ann"}}]}, '{"pipeline":[{"$match":{"name":"…"}}]}'),
    ],
)
def test_settings_are_shown_and_values_are_not(options: dict[str, object], wanted: str) -> None:
    """Names of fields and operators stay: they say what to look at, on both sides."""
    assert wanted == shown(canonical(options))


def test_long_ones_are_cut() -> None:
    """A sentence stays one."""
    assert 200 == len(shown(canonical({"key": {f"field{n}": 1 for n in range(30)}})))
