# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The jobs behind the hosts that were named."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.choice import choose
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.inventory import Job

ORDERS = Job("orders", "m1", "orders", (), ("db1:27017", "db2:27017"))
ITEMS = Job("items", "m1", "items", (), ("db3",))
SHOP0 = Job("shop0", "m2", "shop", (), ())
SHOP1 = Job("shop1", "m3", "shop", (), ())
VENDORS = Job("vendors", "", "vendors", ("a1", "a2"), ("db9:1",))
JOBS = [ORDERS, ITEMS, SHOP0, SHOP1, VENDORS]


@pytest.mark.parametrize(
    ("named", "servers", "stops", "agents"),
    [
        (["orders"], [], {"orders": True}, {"orders": []}),
        (["m1"], [], {"orders": True, "items": True}, {"orders": [], "items": []}),
        (["vendors"], [], {"vendors": True}, {"vendors": ["a1", "a2"]}),
        (["a2", "a3"], [], {"vendors": True}, {"vendors": ["a2"]}),
        (["db1"], ["db1"], {"orders": False}, {}),
        (["db1"], ["db1:27017"], {"orders": False}, {}),
        (["db1"], ["db1:1"], {}, {}),
        (["db3"], ["db3", "10.0.0.3"], {"items": False}, {}),
        (["db1", "orders"], ["db1"], {"orders": True}, {"orders": []}),
        (["nobody"], ["nobody"], {}, {}),
    ],
)
def test_who_is_meant(named: list[str], servers: list[str], stops: dict[str, bool], agents: dict[str, Any]) -> None:
    """A job, its machine or a host of its agents stops agents; a database server does not, and has to have the same port."""
    found = choose(named, JOBS, servers, None)
    assert (stops, agents, []) == (found["stops"], found["agents"], found["outside"])


@pytest.mark.parametrize(
    ("named", "jobs", "sizes"),
    [
        (["orders", "items", "shop0"], ["orders", "shop0", "items"], [2, 1]),
        (["shop0", "shop1"], ["shop0", "shop1"], [1, 1]),
        ([], [], [1]),
    ],
)
def test_the_batches(named: list[str], jobs: list[str], sizes: list[int]) -> None:
    """One job of each machine and of each cluster at a time; a playbook needs a size also where there is no job."""
    found = choose(named, JOBS, [], None)
    assert (jobs, sizes) == (found["jobs"], found["sizes"])


def test_jobs_with_the_same_agent_of_a_vendor_are_in_different_batches() -> None:
    """It is restarted once, and not by two at the same time."""
    other = Job("other", "", "other", ("a2",), ())
    assert [1, 1] == choose(["vendors", "other"], [VENDORS, other], [], None)["sizes"]


def test_what_a_limit_leaves_out() -> None:
    """All jobs of a machine go down together."""
    assert ["items"] == choose(["m1"], JOBS, [], ["m1", "orders"])["outside"]
