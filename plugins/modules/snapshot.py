#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take, hold, prove and delete a snapshot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Take, hold, prove or delete a snapshot of a job
version_added: 0.1.0
description:
  - A snapshot is identified by its name. There is at most one snapshot of each name.
  - Taking and proving a snapshot are operations. The task returns at once; M(mongodb_ops.backup.operation_info)
    follows the operation.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.with_diff
options:
  name:
    description:
      - The name of the snapshot.
    type: str
    required: true
  state:
    description:
      - V(present) takes the snapshot unless there is one of this name.
      - V(held) keeps the retention from removing the snapshot. V(released) ends this.
      - V(proven) proves the snapshot by restoring it, unless it is proven already.
      - V(absent) deletes the snapshot.
    type: str
    default: present
    choices: [present, held, released, proven, absent]
  owner:
    description:
      - The owner of the operation.
    type: str
    required: true
  prove:
    description:
      - Whether to prove the snapshot after taking it. Used only when O(state=present).
    type: bool
    default: false
seealso:
  - module: mongodb_ops.backup.snapshot_info
  - module: mongodb_ops.backup.operation_info
"""

EXAMPLES = r"""
- name: Take a snapshot before the migration
  mongodb_ops.backup.snapshot:
    agent_config: /etc/backup-agent/orders.yml
    name: before-migration
    owner: alice
    prove: true
  register: snapshot

- name: Wait until it has been taken and proven
  mongodb_ops.backup.operation_info:
    agent_config: /etc/backup-agent/orders.yml
    operation: "{{ snapshot.operation.id }}"
    follow: true
  when: snapshot.operation is not none

- name: Keep it
  mongodb_ops.backup.snapshot:
    agent_config: /etc/backup-agent/orders.yml
    name: before-migration
    owner: alice
    state: held
"""

RETURN = r"""
snapshot:
  description: The snapshot; null while it does not exist. See M(mongodb_ops.backup.snapshot_info).
  returned: success
  type: dict
  sample: {name: before-migration, id: "12", state: good, held: false, proven_at: "2026-01-01T00:05:00Z"}
operation:
  description: The operation that was started; null when none was. See M(mongodb_ops.backup.operation_info).
  returned: success
  type: dict
  sample: {id: snapshot-12, kind: snapshot, owner: alice, state: queued}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider

ARGUMENTS = JOB.extended(
    options={
        "name": {"type": "str", "required": True},
        "state": {
            "type": "str",
            "default": "present",
            "choices": ["present", "held", "released", "proven", "absent"],
        },
        "owner": {"type": "str", "required": True},
        "prove": {"type": "bool", "default": False},
    },
)


def demand_state(provider: Provider, state: str, prove: bool) -> None:
    if state != "proven":
        demand(provider.facts, "can_take_snapshot" if state == "present" else "can_hold_snapshot")
    if prove or state == "proven":
        demand(provider.facts, "can_prove_snapshot")


def change(params: dict[str, Any], changed: bool) -> dict[str, Any]:
    """Return the difference as the wanted state alone: what else a snapshot holds does not change."""
    return difference(None, {params["name"]: params["state"]} if changed else None)


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    params = module.params
    demand_state(provider, params["state"], params["prove"])
    answer = provider.set_snapshot(params["name"], params["state"], params["owner"], params["prove"])
    record = {key: answer.get(key) for key in ("snapshot", "operation")}
    return Outcome(record, changed=answer["changed"], diff=change(params, answer["changed"]))


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
