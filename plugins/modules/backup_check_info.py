#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The oplog windows and the backups of many jobs at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_check_info
short_description: Check the oplogs and the backups of many jobs at once
version_added: 0.1.0
description:
  - Checks the oplog of every job's replica set, its backup, or both, many jobs at a time. One task of this module over
    a fleet is many times as fast as a task for each job.
  - When something cannot be read, the verdict of its job is V(unknown), with the reason. It does not affect other
    jobs.
  - Does not fail because of a verdict.
  - The playbook C(mongodb_ops.backup.check) runs this module once on each machine, for all jobs of that machine.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.jobs
  - mongodb_ops.backup.python
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
seealso:
  - module: mongodb_ops.backup.oplog_window_info
  - module: mongodb_ops.backup.backup_lag_info
  - module: mongodb_ops.backup.maintenance_gate
"""

EXAMPLES = r"""
- name: Check two replica sets, one of them with its backup
  mongodb_ops.backup.backup_check_info:
    jobs:
      - name: orders
        login_host: db1.example.com
        login_user: monitor
        login_password: "{{ monitor_password }}"
        tls: true
        min_hours: 48
      - name: invoices
        login_uri: mongodb://db4.example.com,db5.example.com/?replicaSet=invoices&tls=true
        agent_config: /etc/backup-agent/invoices.yml
        thresholds:
          slack_minutes: {warning: 720, critical: 120}
  register: checked

- name: Stop unless all are in good order
  ansible.builtin.assert:
    that: checked.verdict in ['ok', 'warning']
    fail_msg: "{{ checked.jobs | map(attribute='reasons') | flatten | join('; ') }}"
"""

RETURN = r"""
checked_at:
  description: The time of the host that the module ran on.
  returned: success
  type: str
  sample: "2026-01-01T00:00:00Z"
verdict:
  description: The worst verdict of all jobs.
  returned: success
  type: str
  sample: ok
jobs:
  description: Every job, the worst first.
  returned: success
  type: list
  elements: dict
  contains:
    job:
      description: The name of the job.
      type: str
      sample: orders
    cluster:
      description: The cluster that the job belongs to, or null.
      type: str
      sample: shop
    machine:
      description: The machine that the agent runs on.
      type: str
      sample: backup1
    provider:
      description: The provider that backs up the job; null when no backup was checked.
      type: str
      sample: embedded
    replica_set:
      description: The name of the replica set; null when it could not be read.
      type: str
      sample: orders
    verdict:
      description: V(ok), V(warning), V(critical) or V(unknown).
      type: str
      sample: ok
    reasons:
      description: A sentence for everything that is not in order, the worst first.
      type: list
      elements: str
      sample: []
    checked_at:
      description: When this job was checked.
      type: str
      sample: "2026-01-01T00:00:00Z"
    oplog:
      description: >-
        What M(mongodb_ops.backup.oplog_window_info) returns; null when it was not asked for or could not be read.
      type: dict
      sample: {replica_set: orders, window_hours: 72.0, verdict: ok, reasons: []}
    oplog_error:
      description: Why the oplog could not be read, or null.
      type: str
      sample: null
    backup:
      description: What M(mongodb_ops.backup.backup_lag_info) returns; null where it was not asked for or could not be read.
      type: dict
      sample: {state: tailing, backup_lag_seconds: 1.0, verdict: ok, reasons: []}
    backup_error:
      description: Why the agent gave no answer, or null.
      type: str
      sample: null
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils import fleet
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, run_module
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.respawn import continue_with_pymongo
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import iso_of
from ansible_collections.mongodb_ops.backup.plugins.module_utils.verdict import worst, worst_first


def run(module: AnsibleModule) -> Outcome:
    if fleet.needs_pymongo(module.params):
        continue_with_pymongo(module)
    records = fleet.check_jobs(module.params)
    verdict = worst(record["verdict"] for record in records)
    ordered = worst_first(records)
    return Outcome({"checked_at": iso_of(fleet.now().timestamp()), "verdict": verdict, "jobs": ordered})


def main() -> None:
    run_module(fleet.JOBS, run)


if __name__ == "__main__":
    main()
