# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters take what agents have printed as the role has it."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.filter.agents import FilterModule

filters = FilterModule().filters()


def test_an_agent_that_does_not_answer() -> None:
    """It is not well where it was, and it counts as busy."""
    alive = '{"agent": {"alive": true}}'
    asked = [{"item": "/etc/a.yml", "stdout": "", "stderr": "lost"}]
    assert {"agent": {"alive": True}} == filters["agent_answer"](alive)
    assert filters["agent_recovered"]("", alive, "2026") is False
    assert ["/etc/a.yml gives no answer: lost"] == filters["open_operations"](asked)
    assert ["a"] == [one["job"] for one in filters["resource_answers"]([], "m", asked)]
