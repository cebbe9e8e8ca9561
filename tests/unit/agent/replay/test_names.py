"""What is kept of a head's names is what the head would say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from backup_agent.replay import names
from backup_agent.replay.names import Names

A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))


class Head:
    """What a head holds; how often it was read is counted."""

    def __init__(self) -> None:
        self.held: dict[bytes, tuple[str, bool]] = {}
        self.reads: list[str | None] = []

    def listed(self, _client: Any, only: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Stand for `namespaces.listed`, whose answers of a real head the tests of replay compare."""
        self.reads.append(only)
        for ui, (namespace, capped) in self.held.items():
            database, _, name = namespace.partition(".")
            if only in (None, database):
                yield database, {"name": name, "options": {"capped": capped}, "info": {"uuid": ui}}


@pytest.fixture
def head() -> Iterator[Head]:
    """Give a head with one collection."""
    found = Head()
    found.held = {A: ("shop.orders", False)}
    with patch.object(names, "listed", found.listed):
        yield found


def test_what_is_done_is_kept_without_reading(head: Head) -> None:
    """Created, renamed, dropped: nothing of that lists a collection."""
    found = Names(None)  # type: ignore[arg-type]
    found.put(B, "shop.items", capped=True)
    found.put(A, "shop.old")
    assert ("shop.old", "shop.items", True, False) == (found[A], found[B], found.capped(B), found.capped(A))
    found.put(B, "shop.orders")
    assert found.capped(B)
    found.drop(A)
    assert (None, "shop.orders") == (found.get(A), found.get(B))
    assert [B] == list(found.in_order())
    assert [None] == head.reads


def test_a_name_that_is_held_is_read_again(head: Head) -> None:
    """The server has moved its holder out of the way, and only it knows where to: that one database is read."""
    found = Names(None)  # type: ignore[arg-type]
    head.held = {A: ("shop.tmp123.rename", False), B: ("shop.orders", True)}
    found.put(B, "shop.orders", capped=True)
    assert ("shop.tmp123.rename", "shop.orders", True) == (found[A], found[B], found.capped(B))
    assert [None, "shop"] == head.reads


def test_databases_that_differ_in_case_alone_are_found(head: Head) -> None:
    """Only those that hold a collection count."""
    found = Names(None)  # type: ignore[arg-type]
    assert ["shop"] == found.other_cases("Shop")
    assert [] == found.other_cases("shop")
    found.put(B, "SHOP.items")
    assert ["SHOP", "shop"] == found.other_cases("Shop")
    found.drop_database("shop")
    assert ["SHOP"] == found.other_cases("Shop")
    assert found.get(A) is None
    assert [None] == head.reads
