#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases that keep the scheduled snapshots of a job paused."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_schedule
short_description: Pause and resume the scheduled snapshots of a job
version_added: 0.1.0
description:
  - O(state=paused) adds a lease of the owner, O(state=running) removes it. Snapshots are paused while anybody has a lease.
  - The module never touches a lease of another owner. So after O(state=running) snapshots may still be paused.
  - Capture goes on while snapshots are paused.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.with_diff
options:
  state:
    description:
      - Whether this owner wants the snapshots paused.
    type: str
    required: true
    choices: [paused, running]
  owner:
    description:
      - The owner of the lease. The same name is needed to remove it.
    type: str
    required: true
  reason:
    description:
      - Why the snapshots are paused. People who find them paused read this. Required when O(state=paused).
    type: str
  for_seconds:
    description:
      - The lease expires by itself after this time. By default it stays until it is removed.
      - Running the task again starts the time again, which is a change.
    type: int
"""

EXAMPLES = r"""
- name: Pause the snapshots of orders for a maintenance of at most two hours
  mongodb_ops.backup.snapshot_schedule:
    agent_config: /etc/backup-agent/orders.yml
    state: paused
    owner: maintenance-4711
    reason: rolling upgrade of the replica set
    for_seconds: 7200

- name: Let the snapshots run again
  mongodb_ops.backup.snapshot_schedule:
    agent_config: /etc/backup-agent/orders.yml
    state: running
    owner: maintenance-4711
"""

RETURN = r"""
leases:
  description: Every lease after the task, or in check mode every predicted lease.
  returned: success
  type: list
  elements: dict
  contains:
    owner:
      description: Whose lease it is.
      type: str
      sample: maintenance-4711
    reason:
      description: Why the snapshots are paused.
      type: str
      sample: rolling upgrade of the replica set
    expires_at:
      description: When the lease expires; null when it does not expire.
      type: str
      sample: "2026-01-01T02:00:00Z"
snapshots_paused:
  description: Whether anybody has a lease.
  returned: success
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import RetryLater, bad_option
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import Answer

ARGUMENTS = JOB.extended(
    options={
        "state": {"type": "str", "required": True, "choices": ["paused", "running"]},
        "owner": {"type": "str", "required": True},
        "reason": {"type": "str"},
        "for_seconds": {"type": "int"},
    },
    required_if=(("state", "paused", ("reason",)),),
)


def leases_before(provider: Provider) -> list[Answer]:
    """Return the leases, or none where the daemon is down: pausing works then, and only the difference lacks them."""
    try:
        return provider.status().get("leases") or []
    except RetryLater:
        return []


def check_duration(seconds: int | None) -> None:
    if seconds is not None and seconds < 1:
        raise bad_option("for_seconds of at least 1", str(seconds), "leave it out for no end")


def change(module: AnsibleModule, provider: Provider) -> Answer:
    params = module.params
    if params["state"] == "running":
        return provider.resume_snapshots(params["owner"])
    return provider.pause_snapshots(params["owner"], params["reason"], params["for_seconds"])


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "can_pause_snapshots")
    check_duration(module.params["for_seconds"])
    before = leases_before(provider) if module._diff else []
    answer = change(module, provider)
    diff = difference({"leases": before}, {"leases": answer["leases"]}) if module._diff else None
    record = {"leases": answer["leases"], "snapshots_paused": bool(answer["leases"])}
    return Outcome(record, changed=answer["changed"], diff=diff)


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
