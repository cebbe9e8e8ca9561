#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the oplog of every member reaches back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oplog_window_info
short_description: Read how far back the oplog of every member reaches
version_added: 0.1.0
description:
  - Returns the oplog window of every member of a replica set, and whether it is long enough. Works with any replica set and
    needs no agent.
  - A member that cannot be read is listed with the reason and makes the verdict V(unknown); it does not hide the others.
    An arbiter holds no oplog and has no say.
  - An oplog that is not full yet has lost nothing, however short its window. It is judged by how long the window will be
    once it is full, and is at best a warning until the window itself is long enough.
  - Does not fail because of a verdict, only when the members could not be found out.
  - Without C(clusterMonitor) hidden members are not seen.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.login
  - mongodb_ops.backup.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
options:
  min_hours:
    description:
      - A window of less than this is critical.
    type: float
    default: 24
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

EXAMPLES = r"""
- name: Read how far back the oplogs of the replica set reach
  mongodb_ops.backup.oplog_window_info:
    login_host: a.example.com
    login_user: monitor
    login_password: "{{ monitor_password }}"
    tls: true
    min_hours: 48
  register: oplog

- name: Stop unless every member keeps two days
  ansible.builtin.assert:
    that: oplog.verdict in ['ok', 'warning']
    fail_msg: "{{ oplog.reasons | join('; ') }}"
"""

RETURN = r"""
replica_set:
  description: The name of the replica set.
  returned: success
  type: str
  sample: rs0
members:
  description: Every member.
  returned: success
  type: list
  elements: dict
  contains:
    member:
      description: Host and port.
      type: str
      sample: b.example.com:27017
    state:
      description: The state of the member in the replica set.
      type: str
      sample: SECONDARY
    hidden:
      description: Whether it is hidden.
      type: bool
      sample: false
    delay_seconds:
      description: How much later than the primary it applies on purpose.
      type: int
      sample: 0
    verdict:
      description: The verdict over this member; null for an arbiter.
      type: str
      sample: ok
    reason:
      description: Why the verdict is not V(ok), or why there is no window.
      type: str
      sample: an arbiter holds no data and no oplog
    first:
      description: The oldest entry of the oplog; null like all values below where the oplog could not be read.
      type: dict
      sample: {time: 1767225600, increment: 1, iso: "2026-01-01T00:00:00Z"}
    last:
      description: The newest entry of the oplog.
      type: dict
      sample: {time: 1767484800, increment: 4, iso: "2026-01-04T00:00:00Z"}
    window_seconds:
      description: The stretch between the two.
      type: int
      sample: 259200
    window_hours:
      description: The same in hours.
      type: float
      sample: 72.0
    projected_hours:
      description: The window once the oplog is full, at the mean rate of what is in it; the same as the window if it is full.
      type: float
      sample: 72.0
    used_bytes:
      description: The size of the entries; null where the user may not ask.
      type: int
      sample: 1038090240
    max_bytes:
      description: The size from which on old entries are dropped; null where the user may not ask.
      type: int
      sample: 1038090240
window_hours:
  description: The shortest window of all members; null when none could be read.
  returned: success
  type: float
  sample: 72.0
min_hours:
  description: The window that was asked for.
  returned: success
  type: float
  sample: 24.0
verdict:
  description: V(ok), V(warning), V(critical) or V(unknown). Treat V(unknown) like V(critical) where something is decided.
  returned: success
  type: str
  sample: ok
reasons:
  description: A sentence for every member that is not in order, the worst first.
  returned: success
  type: list
  elements: str
  sample: []
"""

import sys
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ansible_collections.mongodb_ops.backup.plugins.module_utils import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import Arguments
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import (
    BackupError,
    FixInput,
    RetryLater,
    sentence,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.interpreter import candidates
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog import Reading, summarize
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member

ARGUMENTS = connection.LOGIN.merge(
    Arguments(
        options={
            "min_hours": {"type": "float", "default": 24},
            "agent_command": {"type": "str", "default": "backup-agent"},
            "agent_python": {"type": "path"},
        },
    )
)


def continue_with_pymongo(module: AnsibleModule) -> None:
    """Start this module again with a Python that has pymongo, or say what is missing."""
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


def read(login: connection.Login, member: Member) -> Reading:
    """Read one member; what goes wrong with it is part of the answer."""
    if member.unreadable_because:
        return Reading(member, why_not=member.unreadable_because)
    try:
        with connection.described(member.address), login.member(member.address) as client:
            state, window = connection.window(client)
    except BackupError as error:
        return Reading(member, why_not=error.message)
    return Reading(member.in_state(state), window)


def demand_a_window(record: dict[str, Any]) -> None:
    """Fail when no member at all could be read: that is no verdict over a replica set."""
    if record["window_hours"] is not None:
        return
    found = "none: " + "; ".join(record["reasons"])
    message = sentence(expected="the oplog of at least one member", found=found, remedy="correct the first of these")
    raise RetryLater(message, code="nothing_measured", details=record)


def run(module: AnsibleModule, login: connection.Login) -> Outcome:
    with connection.described("the replica set"), login.seed() as client:
        name, members = connection.members(client)
    record = summarize([read(login, member) for member in members], module.params["min_hours"])
    demand_a_window(record)
    return Outcome({"replica_set": name, **record})


def main() -> None:
    module = AnsibleModule(**ARGUMENTS.module_arguments())
    try:
        continue_with_pymongo(module)
        module.exit_json(**run(module, connection.Login(module.params)).result())
    except BackupError as error:
        module.fail_json(**error.failure())


if __name__ == "__main__":
    main()
