# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches: who may run together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.batches import batches, resync_batches

Job = dict[str, str]


def job(name: str, machine: str = "", cluster: str = "") -> Job:
    """Return a job that is alone on its machine and in its cluster, unless told."""
    return {"job": name, "machine": machine or name, "cluster": cluster or name}


def test_a_job_takes_the_first_batch_with_room() -> None:
    """Those of one machine and of one cluster come one after another, the others fill up what is there."""
    found = batches([job("a", "m"), job("b", "m"), job("c", "n", "shop"), job("d", "o", "shop"), job("e")], 2)
    assert [["a", "c"], ["b", "d"], ["e"]] == found


def test_nothing_makes_no_batch() -> None:
    """No jobs need no room."""
    assert [] == batches([], 0)


@given(
    st.lists(st.tuples(st.sampled_from("mnop"), st.sampled_from(["", "", "shop", "bank"])), max_size=30),
    st.integers(1, 5),
)
def test_no_job_is_lost_and_none_collides(places: list[tuple[str, str]], size: int) -> None:
    """Whatever the inventory: each job is in one batch, none is too large, and none has two of a machine or cluster."""
    jobs = {str(number): job(str(number), *place) for number, place in enumerate(places)}
    made = batches(jobs.values(), size)
    assert sorted(jobs) == sorted(name for batch in made for name in batch)
    for batch in made:
        assert 0 < len(batch) <= size
        for kind in ("machine", "cluster"):
            assert len(batch) == len({jobs[name][kind] for name in batch})


def test_a_machine_that_two_share_keeps_them_apart() -> None:
    """Agents of a vendor serve many jobs, and one on any of their machines is enough."""
    jobs = [
        {"job": "a", "machine": ["m1", "m2"], "cluster": "a"},
        {"job": "b", "machine": ["m2", "m3"], "cluster": "b"},
        {"job": "c", "machine": "m4", "cluster": "c"},
    ]

    assert [["a", "c"], ["b"]] == batches(jobs, 3)


def host(name: str, result: str | None, **variables: str | None) -> dict[str, Any]:
    """Return the variables of a job after its preflight."""
    outcome = {} if result is None else {"__resync_outcome": {"result": result}}
    return {"inventory_hostname": name, **outcome, **variables}


class TestResyncBatches:
    HOSTS = (
        host("orders", "planned", backup_agent_host="backup1"),
        host("invoices", "planned", backup_agent_host="backup1"),
        host("shard0", "planned", backup_agent_host="backup2", backup_cluster="shop"),
        host("shard1", "planned", backup_agent_host="backup3", backup_cluster="shop"),
        host("healthy", "not needed"),
        host("silent", "unreachable"),
        host("waiting", "waits"),
        host("new", None),
        host("followed", "attached", backup_agent_host="", backup_cluster=None),
    )

    @pytest.mark.parametrize(
        ("expected", "size"),
        [
            ([["orders", "shard0"], ["invoices", "shard1"], ["followed"]], 2),
            ([["orders", "shard0", "followed"], ["invoices", "shard1"]], 99),
            ([["orders"], ["invoices"], ["shard0"], ["shard1"], ["followed"]], 1),
        ],
    )
    def test_those_with_something_to_do(self, expected: list[list[str]], size: int) -> None:
        """Never two of one machine or of one cluster together, and a job without either stands for itself."""
        assert expected == resync_batches(self.HOSTS, size)["batches"]

    @pytest.mark.parametrize(
        ("expected", "order"),
        [([["shard1", "orders"]], ["shard1", "healthy", "orders"]), ([["followed"]], ["followed"]), ([], [])],
    )
    def test_a_run_with_an_order_of_its_own(self, expected: list[list[str]], order: list[str]) -> None:
        """What is not part of the run is in none of its batches."""
        assert expected == resync_batches(self.HOSTS, 2, order)["batches"]

    @pytest.mark.parametrize(
        ("jobs", "sizes", "order", "size"),
        [
            ("abcd", [2, 2], None, 2),
            ("dabc", [1, 3], "da", 1),
            ("abcd", [4], "", 2),
            ("abcd", [4], None, 4),
        ],
    )
    def test_a_line_of_batches(self, jobs: str, sizes: list[int], order: str | None, size: int) -> None:
        """Every host has its place, and those that are in no batch come with the last one."""
        hosts = [host(name, "not needed" if name == "d" and order is None else "planned") for name in "abcd"]
        found = resync_batches(hosts, size, None if order is None else list(order))
        assert (list(jobs), sizes) == (found["jobs"], found["sizes"])
