# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rolling maintenance of database hosts."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.inventory import Job
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.rolling import (
    Place,
    behind_seconds,
    jobs_on,
    line_up,
    own_member,
    place,
)


def member(name: str, newest: int | None = 100, delay: int | None = 0, state: str = "SECONDARY") -> dict[str, Any]:
    return {
        "member": name,
        "state": state,
        "last": None if newest is None else {"time": newest},
        "delay_seconds": delay,
    }


@pytest.mark.parametrize(
    ("names", "named", "jobs"),
    [
        (["db1:27017"], "", ["orders", "copy"]),
        (["db1:27017"], "copy", ["copy", "orders"]),
        (["db1:27018"], "", []),
        (["db9:1"], "orders", ["orders"]),
    ],
)
def test_the_jobs_of_a_host(names: list[str], named: str, jobs: list[str]) -> None:
    """Those whose source names it, without a port as well, and the one that was named."""
    known = [
        Job("orders", "", "orders", (), ("db1", "db2")),
        Job("copy", "", "copy", (), ("db1:27017",)),
        Job("items", "", "items", (), ("db3",)),
    ]
    assert jobs == jobs_on(names, known, named)


@pytest.mark.parametrize(
    ("own", "behind"),
    [
        (member("a:1", 100), 20.0),
        (member("a:1", 120), 0.0),
        (member("a:1", 100, delay=15), 5.0),
        (member("a:1", 120, delay=3600), 0.0),
        (member("a:1", None), None),
        (member("a:1", 120, delay=None), 0.0),
    ],
)
def test_how_far_a_member_is_behind(own: dict[str, Any], behind: float | None) -> None:
    """Behind the newest entry of all, where that of each is not known; a delayed member is never behind by its delay."""
    assert behind == behind_seconds(own, [own, member("b:1", 120), member("arbiter:1", None)])


def test_a_host_that_is_no_member() -> None:
    """Nothing is known of it, and it has no place."""
    assert (None, None) == (own_member(["x:1"], [member("a:1")]), behind_seconds(None, [member("a:1")]))
    with pytest.raises(ValueError, match="expected x:1 or y:1 among the members of rs0, found none"):
        place("x", ["x:1", "y:1"], {"replica_set": "rs0", "members": [member("a:1")]})


def test_the_place_of_a_host() -> None:
    """As the live set has it."""
    found = {"replica_set": "rs0", "members": [member("a:1"), member("b:1", state="PRIMARY")]}
    assert Place("db2", "rs0", "b:1", "PRIMARY") == place("db2", ["b:1"], found)


def test_secondaries_come_first() -> None:
    """Set after set, the hosts of one in the order of the inventory, its primary last."""
    line = line_up(
        [
            Place("db1", "rs1", "a:1", "PRIMARY"),
            Place("db2", "rs1", "b:1", "SECONDARY"),
            Place("db3", "rs0", "c:1", "SECONDARY"),
            Place("db4", "rs1", "d:1", "ARBITER"),
        ]
    )
    assert ["db3", "db2", "db4", "db1"] == line["hosts"]
    assert [
        "1. db3 – c:1, SECONDARY",
        "2. db2 – b:1, SECONDARY",
        "3. db4 – d:1, ARBITER",
        "4. db1 – a:1, PRIMARY now, will be stepped down",
    ] == line["lines"]
