# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going on with another Python where the one of this host lacks pymongo."""

from __future__ import annotations

import sys
from typing import Any

from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ..arguments import Arguments
from ..errors import FixInput, sentence
from . import connection
from .interpreter import candidates

#: Options of every module that connects to MongoDB, by which the other Python is found.
PYTHON = Arguments(
    options={"agent_command": {"type": "str", "default": "backup-agent"}, "agent_python": {"type": "path"}},
)


def continue_with_pymongo(module: Any) -> None:
    """Start this module again with a Python that has pymongo, or raise FixInput with what is missing."""
    if connection.HAS_PYMONGO:
        return
    pythons = candidates(module.params["agent_python"], module.params["agent_command"])
    found = None if has_respawned() else probe_interpreters_for_module(pythons, "pymongo")
    if found:
        respawn_module(found)  # does not return
    tried = ", ".join(pythons) or "none, as agent_command was not found"
    message = sentence(
        expected="pymongo in the Python that runs this module or the agent",
        found=f"none in {sys.executable}, and of the agent's Pythons ({tried}) none that has it",
        remedy="apply the role backup_agent to this host, set agent_python, or install pymongo",
    )
    raise FixInput(message, code="pymongo_missing")
