"""Which namespaces belong to a backup."""

from __future__ import annotations

from typing import Any

import pytest

from backup_agent.namespaces import needs_command, target_of, why_not_copied


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
