# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `machine_shortage`; what it does is in plugin_utils/resources.py."""

from __future__ import annotations

DOCUMENTATION = """
name: machine_shortage
short_description: Say what a machine has too little of for all of its jobs
version_added: 0.1.0
description:
  - Adds up what the jobs of one machine need, as C(backup-agent resources) says for each, and compares it with what
    the machine has.
  - All jobs on a disk share its reserve. One processor is left to the machine itself.
options:
  _input:
    description:
      - For each job of the machine C(job), its name, and C(stdout) and C(stderr) of C(backup-agent resources --json).
    type: list
    elements: dict
    required: true
  job:
    description: The job to report on; only its own members and disks are named.
    type: str
    required: true
author:
  - the mongodb_ops.backup contributors
"""

EXAMPLES = """
- name: Fail when the machine has too little for all of its jobs
  ansible.builtin.assert:
    that: short | length == 0
    fail_msg: "{{ short | join('; ') }}"
  vars:
    short: >-
      {{ [{'job': 'orders', 'stdout': looked.stdout, 'stderr': looked.stderr}]
         | mongodb_ops.backup.machine_shortage('orders') }}
"""

RETURN = """
_value:
  description: >-
    A sentence for everything that the machine has too little of, with the amount; an empty list when it has enough.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.resources import parsed, shortage


def machine_shortage(answers: Sequence[Mapping[str, Any]], job: str) -> list[str]:
    """Return what is short for a job. Raises AnsibleFilterError when its own answer is not among the answers."""
    found = {str(one["job"]): parsed(str(one.get("stdout", "")), str(one.get("stderr", ""))) for one in answers}
    if job not in found:
        raise AnsibleFilterError(
            f"expected an answer of the job {job}, found those of {', '.join(sorted(found)) or 'none'}"
        )
    return shortage(found, job)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"machine_shortage": machine_shortage}
