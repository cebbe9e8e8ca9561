# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters take variables of hosts as the playbook has them."""

from __future__ import annotations

from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.filter.check import FilterModule

filters = FilterModule().filters()


def test_a_job_that_nobody_has_read() -> None:
    """It is planned for the controller, and unknown from now."""
    hosts: dict[str, Any] = {"a": {"inventory_hostname": "a"}}
    summary = filters["check_summary"](filters["check_plan"](hosts.values()), hosts, "critical")
    assert {"a": "unknown – controller gave no answer: the task was not run"} == summary["failing"]
    assert summary["records"][0]["checked_at"] > "2026"
