#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of maintenance for which the agent of a job is away."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance
short_description: Record that the agent of a job is away for maintenance
version_added: 0.1.0
description:
  - O(state=begun) records who keeps the agent away, why, until when, and by when it has to run again. It also adds a lease that
    pauses the scheduled snapshots. O(state=ended) removes both.
  - The module neither stops nor starts the agent. While the agent is down under a record and time is left, its status
    is a warning and not critical. C(backup-agent watch) warns before the time is over.
  - The record stays when its time is over, until the maintenance is ended or begun again. So an overrun maintenance
    can be seen.
  - There is one record for a job. While the record of another owner is valid, O(state=begun) is refused. The module
    never removes the record of another owner.
  - When the time of a record is over, anybody may begin. If the agent is still down, the recorded maintenance goes on. If the
    agent runs, it has come back, and what begins is new.
  - In check mode the provider itself says what it would do. An agent that is too old for that question is an error.
  - Works whether the agent runs or not, but not before the agent has run for the first time.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.with_diff
options:
  state:
    description:
      - Whether the maintenance begins or has ended.
    type: str
    required: true
    choices: [begun, ended]
  owner:
    description:
      - The owner of the maintenance. The same name is needed to renew or end it.
    type: str
    required: true
  reason:
    description:
      - Why the agent is away. People who find it down read this. Required when O(state=begun).
    type: str
  for_seconds:
    description:
      - How long the maintenance may take, at least 1. Required when O(state=begun).
      - Running the task again starts the time again, which is a change. RV(maintenance.began_at) stays.
    type: int
  latest_safe_restart:
    description:
      - By when the agent has to run again, as an ISO time with its zone. Give the value of
        RV(mongodb_ops.backup.maintenance_gate#module:latest_safe_restart).
      - Without this option the time is not known. When you renew your own maintenance, the recorded time stays.
    type: str
seealso:
  - module: mongodb_ops.backup.maintenance_gate
  - module: mongodb_ops.backup.snapshot_schedule
"""

EXAMPLES = r"""
- name: See whether the agent of orders may be away for an hour
  mongodb_ops.backup.maintenance_gate:
    planned_downtime_minutes: 60
    jobs:
      - name: orders
        login_uri: mongodb://db1.example.com/?replicaSet=orders&tls=true
        agent_config: /etc/backup-agent/orders.yml
  register: gate

- name: Record the maintenance
  mongodb_ops.backup.maintenance:
    agent_config: /etc/backup-agent/orders.yml
    state: begun
    owner: maintenance-4711
    reason: new kernel
    for_seconds: 3600
    latest_safe_restart: "{{ gate.latest_safe_restart }}"

- name: Say that it has ended
  mongodb_ops.backup.maintenance:
    agent_config: /etc/backup-agent/orders.yml
    state: ended
    owner: maintenance-4711
"""

RETURN = r"""
maintenance:
  description: The record after the task, or in check mode the predicted record; null when there is none.
  returned: success
  type: dict
  contains:
    owner:
      description: Whose maintenance it is.
      type: str
      sample: maintenance-4711
    reason:
      description: Why the agent is away.
      type: str
      sample: new kernel
    began_at:
      description: When the maintenance was first begun.
      type: str
      sample: "2026-01-01T00:00:00Z"
    until:
      description: When its time is over.
      type: str
      sample: "2026-01-01T01:00:00Z"
    latest_safe_restart:
      description: By when the agent has to run again; null when it was not given.
      type: str
      sample: "2026-01-01T09:30:00Z"
    oldest:
      description: The oldest oplog entry that the agent saw when the maintenance began; null when it is not known.
      type: dict
      sample: {time: 1767139200, increment: 1, iso: "2025-12-31T00:00:00Z"}
    captured:
      description: The last oplog entry that the agent had captured; null when it is not known.
      type: dict
      sample: {time: 1767225600, increment: 3, iso: "2026-01-01T00:00:00Z"}
renewed:
  description: Whether a recorded maintenance goes on, so that RV(maintenance.began_at) and the rest of it stay.
  returned: success, with O(state=begun)
  type: bool
  sample: false
leases:
  description: >-
    Every lease after the task, or in check mode every predicted lease. See M(mongodb_ops.backup.snapshot_schedule).
  returned: success
  type: list
  elements: dict
  sample: [{owner: maintenance-4711, reason: new kernel, expires_at: "2026-01-01T01:00:00Z"}]
"""

from datetime import datetime

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import bad_option
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers import prediction
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import Answer, iso_of

_YEAR_SECONDS = 366 * 86400

ARGUMENTS = JOB.extended(
    options={
        "state": {"type": "str", "required": True, "choices": ["begun", "ended"]},
        "owner": {"type": "str", "required": True},
        "reason": {"type": "str"},
        "for_seconds": {"type": "int"},
        "latest_safe_restart": {"type": "str"},
    },
    required_if=(("state", "begun", ("reason", "for_seconds")),),
)


def moment(text: str | None) -> str | None:
    """Return a time the way that the agent writes it."""
    if text is None:
        return None
    try:
        # Before Python 3.11 a Z was not understood.
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        expected = "latest_safe_restart as a time with its zone, such as 2026-01-31T04:05:06Z"
        raise bad_option(expected, repr(text), "correct it")
    return iso_of(found)


def change(params: Answer, provider: Provider) -> Answer:
    if params["state"] == "ended":
        return provider.end_maintenance(params["owner"])
    seconds = params["for_seconds"]
    if not 1 <= seconds <= _YEAR_SECONDS:
        raise bad_option(f"for_seconds of 1 to {_YEAR_SECONDS}, a year", str(seconds), "correct it")
    latest = moment(params["latest_safe_restart"])
    return provider.begin_maintenance(params["owner"], params["reason"], seconds, latest)


def state_before(provider: Provider) -> Answer:
    """Return what the difference begins with."""
    status = provider.status()
    return {"maintenance": prediction.maintenance_record(status), "leases": status.get("leases") or []}


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "can_record_maintenance")
    before = state_before(provider) if module._diff else None
    answer = change(module.params, provider)
    after = {"maintenance": answer["maintenance"], "leases": answer["leases"]}
    diff = difference(before, after) if module._diff else None
    record = {**after, "renewed": answer["renewed"]} if "renewed" in answer else after
    return Outcome(record, changed=answer["changed"], diff=diff)


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
