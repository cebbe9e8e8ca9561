# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters make options from the variables of a host."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.filter.job_options import FilterModule

filters = FilterModule().filters()


def test_a_job_of_ops_manager() -> None:
    """It is told how to reach its place, alone and as one of many."""
    its = {"inventory_hostname": "orders", "backup_provider": "ops_manager", "backup_ops_manager_url": "https://o"}
    place = {"url": "https://o", "cluster": "orders"}
    assert place == filters["ops_manager_options"](its)
    assert ("orders", place) == (filters["job_options"](its)["name"], filters["job_options"](its)["ops_manager"])
