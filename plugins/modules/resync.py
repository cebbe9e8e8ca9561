#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start or cancel a resync."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resync
short_description: Start or cancel the resync of a job
version_added: 0.1.0
description:
  - O(state=started) starts an operation that copies everything from a secondary again, validates it, and proves a new
    snapshot by restoring it. The task returns at once; M(mongodb_ops.backup.operation_info) follows the operation.
  - If the same owner has an open operation, the task attaches to it and starts no new one.
  - O(state=continued) sends the next request that an operation waits for. It is for Ops Manager, where no agent of
    this collection does so by itself. M(mongodb_ops.backup.operation_info) does the same whenever a request is due,
    with O(mongodb_ops.backup.operation_info#module:carry_on=true).
  - In check mode the preflight runs, and its plan is returned. When the preflight fails the task fails, and nothing is
    changed.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.with_diff
options:
  state:
    description:
      - V(started) starts a resync, V(continued) continues one, V(canceled) cancels one.
    type: str
    default: started
    choices: [started, continued, canceled]
  owner:
    description:
      - The owner of the operation. Required when O(state=started).
    type: str
  reason:
    description:
      - Why the job is resynced. People who find the operation read this. Required when O(state=started).
    type: str
  policy:
    description:
      - When to resync. V(required) resyncs only when the backup is out of sync, V(older_than) also when the last
        resync is too old, V(always) in any case.
    type: str
    default: required
    choices: [required, older_than, always]
  older_than_days:
    description:
      - How old the last resync may be. Required when O(policy=older_than).
    type: int
  operation:
    description:
      - The id of the operation to cancel or to continue. Required when O(state=canceled) or O(state=continued), so
        that nobody cancels the wrong operation.
    type: str
seealso:
  - module: mongodb_ops.backup.operation_info
"""

EXAMPLES = r"""
- name: Resync orders if it has fallen out of sync
  mongodb_ops.backup.resync:
    agent_config: /etc/backup-agent/orders.yml
    owner: alice
    reason: alert of Monday night
  register: resync

- name: Wait until it has ended
  mongodb_ops.backup.operation_info:
    agent_config: /etc/backup-agent/orders.yml
    operation: "{{ resync.operation.id }}"
    follow: true
  when: resync.operation is not none

- name: Cancel it
  mongodb_ops.backup.resync:
    agent_config: /etc/backup-agent/orders.yml
    state: canceled
    operation: resync-7
"""

RETURN = r"""
needed:
  description: Whether the policy asks for a resync; null unless O(state=started).
  returned: success
  type: bool
  sample: true
why:
  description: Why a resync is needed, or not.
  returned: success
  type: str
  sample: the oplog of every member begins after what was captured last
attached:
  description: Whether the task attached to an open operation of the same owner.
  returned: success
  type: bool
  sample: false
operation:
  description: The operation; null when none is needed, and in check mode unless one is already open.
  returned: success
  type: dict
  sample: {id: resync-7, kind: resync, owner: alice, reason: alert of Monday night, state: queued, step: preflight}
plan:
  description: The plan that the preflight made; null when the provider made none.
  returned: success
  type: dict
  sample:
    checks: [{name: disk, ok: true, detail: 40 GB free and 12 GB needed, remedy: ""}]
    source: b.example.com:27017
    estimated_sync_seconds: 340.0
    window_seconds: 180000.0
error:
  description: What went wrong. When the preflight failed, C(details) hold the plan.
  returned: failure
  type: dict
  sample: {code: operation_open, message: "Expected no open operation, found resync-7 of bob", retry: false, details: {}}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import Answer

ARGUMENTS = JOB.extended(
    options={
        "state": {"type": "str", "default": "started", "choices": ["started", "continued", "canceled"]},
        "owner": {"type": "str"},
        "reason": {"type": "str"},
        "policy": {"type": "str", "default": "required", "choices": ["required", "older_than", "always"]},
        "older_than_days": {"type": "int"},
        "operation": {"type": "str"},
    },
    required_if=(
        ("state", "started", ("owner", "reason")),
        ("state", "canceled", ("operation",)),
        ("state", "continued", ("operation",)),
        ("policy", "older_than", ("older_than_days",)),
    ),
)


def start(params: dict[str, Any], provider: Provider) -> Answer:
    demand(provider.facts, "can_start_resync")
    return provider.start_resync(params["owner"], params["reason"], params["policy"], params["older_than_days"])


def cancel(params: dict[str, Any], provider: Provider) -> Answer:
    demand(provider.facts, "can_cancel_resync")
    return provider.cancel_resync(params["operation"])


def go_on(params: dict[str, Any], provider: Provider) -> Answer:
    demand(provider.facts, "can_start_resync")
    return provider.continue_operation(params["operation"])


STATES = {"started": start, "continued": go_on, "canceled": cancel}


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    answer = STATES[module.params["state"]](module.params, provider)
    record = {key: answer.get(key) for key in ("needed", "why", "operation", "plan")}
    after = {"resync": module.params["state"]} if answer["changed"] else None
    return Outcome(
        {**record, "attached": bool(answer.get("attached"))}, changed=answer["changed"], diff=difference(None, after)
    )


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
