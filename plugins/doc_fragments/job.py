# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of every module that works on a job through a provider, and the group that they are in."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.doc_fragments import ops_manager

_AGENT = r"""
options:
  provider:
    description:
      - The provider that backs up this job.
      - V(embedded) is the backup agent that comes with this collection.
      - V(ops_manager) is Ops Manager or Cloud Manager. Its modules run on the controller.
    type: str
    default: embedded
  agent_command:
    description:
      - The command that calls the agent on this host. It is split as a shell would split it, but never run through a
        shell.
    type: str
    default: backup-agent
  agent_config:
    description:
      - The configuration file of the job on this host.
      - Required when O(provider=embedded).
    type: path
"""
# The dictionary itself is required of a job; the rest of its text is that of every place.
_OPS_MANAGER = ops_manager.ModuleDocFragment.DOCUMENTATION.split("options:\n", 1)[1].replace(
    "    type: dict\n", "      - Required when O(provider=ops_manager).\n    type: dict\n", 1
)
_MORE = r"""
notes:
  - A module of this group returns as soon as the agent has noted the request, or Ops Manager has answered. Long work
    is an operation, which M(mongodb_ops.backup.operation_info) follows.
attributes:
  action_group:
    description: >-
      Use C(group/mongodb_ops.backup.backup) in C(module_defaults) to set the options that all modules working on a job
      have in common.
    support: full
    membership:
      - mongodb_ops.backup.backup
"""


class ModuleDocFragment:
    """The counterpart of JOB in module_utils/arguments.py."""

    DOCUMENTATION: str


# This is put together from other texts. The linters check only literal texts, and each of those is one.
ModuleDocFragment.DOCUMENTATION = _AGENT + _OPS_MANAGER + _MORE
