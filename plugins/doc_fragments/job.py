# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of every module that works on a job through a provider."""

from __future__ import annotations


class ModuleDocFragment:
    """The counterpart of JOB in module_utils/arguments.py."""

    DOCUMENTATION = r"""
options:
  provider:
    description:
      - Who makes the backups of this job.
      - V(embedded) is the backup agent that comes with this collection. This version has no other provider.
    type: str
    default: embedded
  agent_command:
    description:
      - How to call the agent on this host. Split like a shell would, but never run through a shell.
    type: str
    default: backup-agent
  agent_config:
    description:
      - The configuration file of the job on this host.
      - Required when O(provider=embedded).
    type: path
notes:
  - A module of this group never takes longer than the agent needs to note a request. Long work is an operation, which
    M(mongodb_ops.backup.operation_info) follows.
"""
