# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Batches: who may run together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.batches import batches

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
