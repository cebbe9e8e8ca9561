# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter puts jobs into batches."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.filter.job_batches import FilterModule

filters = FilterModule().filters()


def test_two_of_a_machine_are_two_batches() -> None:
    """As many as may be together are, and no more."""
    jobs = [
        {"job": name, "machine": machine, "cluster": name} for name, machine in (("a", "m"), ("b", "m"), ("c", "n"))
    ]
    assert [["a", "c"], ["b"]] == filters["job_batches"](jobs, 2)


def test_jobs_that_are_to_be_resynced() -> None:
    """Their batches are what a play lines up."""
    hosts = [{"inventory_hostname": name, "__resync_outcome": {"result": "planned"}} for name in ("a", "b", "c")]
    made = filters["resync_batches"](hosts, 2)
    assert [["a", "b"], ["c"]] == made
    assert {"jobs": ["a", "b", "c", "d"], "sizes": [2, 2]} == filters["job_line"](made, ["a", "b", "c", "d"])
