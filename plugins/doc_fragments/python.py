# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules that need pymongo, by which a Python that has it is found."""

from __future__ import annotations


class ModuleDocFragment:
    """The counterpart of PYTHON in module_utils/respawn.py."""

    DOCUMENTATION = r"""
options:
  agent_command:
    description:
      - Where the Python of this host has no pymongo, the module continues with the Python that this command runs with.
    type: str
    default: backup-agent
  agent_python:
    description:
      - The Python to continue with in that case. By default it is derived from O(agent_command).
    type: path
"""
