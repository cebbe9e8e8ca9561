# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters `job_batches`, `job_line` and `resync_batches`; what they do is in plugin_utils/batches.py."""

from __future__ import annotations

DOCUMENTATION = """
name: job_batches
short_description: Put jobs into batches that may run at the same time
version_added: 0.1.0
description:
  - Keeps the order. A job goes into the first batch that has room and has no job of the same machine or cluster.
options:
  _input:
    description:
      - For each job C(job), its name, C(machine), its machine or a list of machines, and C(cluster). A job without a
        cluster has its own name as C(cluster).
    type: list
    elements: dict
    required: true
  size:
    description: The largest number of jobs in a batch.
    type: int
    required: true
author:
  - the mongodb_ops.backup contributors
"""

EXAMPLES = """
- name: Show which jobs are worked on together
  ansible.builtin.debug:
    msg: >-
      {{ [{'job': 'orders', 'machine': 'backup1', 'cluster': 'orders'},
          {'job': 'items', 'machine': 'backup1', 'cluster': 'items'}] | mongodb_ops.backup.job_batches(2) }}
"""

RETURN = """
_value:
  description: The names of the jobs, batch by batch.
  type: list
  elements: list
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.batches import batches, job_line, resync_batches


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"job_batches": batches, "job_line": job_line, "resync_batches": resync_batches}
