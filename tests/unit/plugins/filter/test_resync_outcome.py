# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters take results of tasks as the playbook has them."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.filter.resync_outcome import FilterModule

filters = FilterModule().filters()


def test_a_resync_from_the_plan_to_the_report() -> None:
    """Each filter goes on with the outcome of the one before it."""
    planned = filters["resync_planned"]({"needed": True, "why": "old"}, "orders", machine="b", again="run again")
    failed = filters["resync_failed"]({"msg": "it broke"}, planned, "Copy", {}, "run again", "cancel")["outcome"]
    reported = filters["resync_reported"]({}, failed, "orders", "resync-7", {"verdict": "ok"}, {}, "")
    assert ["planned", "failed", "failed"] == [one["result"] for one in (planned, failed, reported)]
    assert ("resync-7", "ok") == (reported["operation"], reported["verdict"])
