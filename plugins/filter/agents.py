# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters `agent_answer`, `agent_recovered`, `open_operations` and `resource_answers`; see plugin_utils/agents.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import agents


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {
            "agent_answer": agents.agent_answer,
            "agent_recovered": agents.agent_recovered,
            "open_operations": agents.open_operations,
            "resource_answers": agents.resource_answers,
        }
