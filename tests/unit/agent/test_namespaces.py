"""Which namespaces belong to a backup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from backup_agent import namespaces
from backup_agent.namespaces import Whereabouts, needs_command, target_of, why_not_copied


@pytest.mark.parametrize(
    "namespace",
    ["shop.orders", "shop.system.views", "shop.system.buckets.t", "admin.system.users", "admin.own", "config.chunks"],
)
def test_what_users_and_cluster_need_is_copied(namespace: str) -> None:
    """User data, users and roles, and what config servers know of their cluster."""
    assert why_not_copied(namespace) is None


@pytest.mark.parametrize(
    "namespace",
    [
        "local.oplog.rs",
        "config.transactions",
        "config.cache.chunks.shop.orders",
        "config.lockpings",
        "config.$cmd",
        "admin.system.keys",
        "shop.system.profile",
        "mongodb_ops_backup_head.position",
    ],
)
def test_what_belongs_to_a_member_is_not(namespace: str) -> None:
    """Sessions, caches, keys and profiles are the member's; each has a reason."""
    assert why_not_copied(namespace)


@pytest.mark.parametrize(
    ("o", "expected"),
    [
        ({"create": "chunks", "idIndex": {}}, "config.chunks"),
        ({"renameCollection": "shop.a", "to": "shop.b"}, "shop.a"),
        ({"dropDatabase": 1}, "config.$cmd"),
        ({}, "config.$cmd"),
    ],
)
def test_a_command_is_about_the_collection_in_its_first_field(o: dict[str, Any], expected: str) -> None:
    """So that creating a collection that is not copied is not replayed either."""
    assert expected == target_of("config.$cmd", o)


def test_the_servers_own_databases_take_no_transactions() -> None:
    """Writes to `admin`, `config` and system collections are applied by themselves; buckets of time series are not."""
    alone = ("admin.c", "config.chunks", "shop.system.views", "shop.system.js")
    together = ("shop.c", "shop.system.buckets.t", "shop.systems")
    assert [True] * 4 + [False] * 3 == [needs_command(namespace) for namespace in alone + together]


def test_whereabouts_are_listed_again_only_when_they_have_become_old() -> None:
    """A UUID that is not listed was dropped; a name that no longer holds asks for another look, and not for one each time."""
    a, b, c = (bytes([number]) * 16 for number in (1, 2, 3))
    held = {a: "x", b: "y"}
    looks: list[None] = []

    def listed(_client: Any) -> Iterator[tuple[str, Any]]:
        looks.append(None)
        yield from (("shop", {"name": name, "info": {"uuid": ui}}) for ui, name in held.items())

    with patch.object(namespaces, "listed", listed):
        found = Whereabouts(None)  # type: ignore[arg-type]
        assert ("shop.x", None, "shop.y", 1) == (found.of(a), found.of(c), found.of(b, no_longer="shop.z"), len(looks))
        held[b] = "z"
        assert ("shop.z", 2) == (found.of(b, no_longer="shop.y"), len(looks))
        del held[a]
        assert (None, 3) == (found.of(a, no_longer="shop.x"), len(looks))
