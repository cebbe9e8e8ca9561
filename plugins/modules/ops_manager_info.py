#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ops Manager knows of projects and their backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ops_manager_info
short_description: Read what Ops Manager or Cloud Manager knows about clusters and their backups
version_added: 0.1.0
description:
  - Asks the API of Ops Manager or Cloud Manager, and returns its answers in the same form for all versions. A value
    that a version does not give is null. Values that this collection does not know are returned as they are.
  - Returns what O(gather) names and nothing else.
  - Run it on the controller, or on any host that can reach the API.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
options:
  gather:
    description:
      - What to ask for. Each costs one request for each project; V(schedules) and V(snapshots) cost one for each
        cluster.
    type: list
    elements: str
    choices: [projects, clusters, backup_configurations, agents, alerts, schedules, snapshots, windows]
    default: [projects, clusters, backup_configurations, agents, alerts, schedules, windows]
notes:
  - O(ops_manager) is required. Without C(project) in it, the module asks about all projects that the API key sees.
    With C(cluster) the answer covers this cluster, its parts, and what its project shares.
  - O(provider), O(agent_command) and O(agent_config) have no effect here. They are accepted so that the defaults of a
    play fit all modules.
seealso:
  - module: mongodb_ops.backup.backup_lag_info
"""

EXAMPLES = r"""
- name: Ask for all that is backed up in the project shop
  mongodb_ops.backup.ops_manager_info:
    ops_manager:
      url: https://opsmanager.example.com:8443
      public_key: "{{ ops_manager_public_key }}"
      private_key: "{{ ops_manager_private_key }}"
      project: shop
    gather: [clusters, backup_configurations, alerts]
  delegate_to: localhost
  register: shop

- name: Show what requires a resync
  ansible.builtin.debug:
    msg: "{{ shop.alerts | selectattr('event_type', 'equalto', 'RESYNC_REQUIRED') | map(attribute='cluster') }}"
"""

RETURN = r"""
server_time:
  description: The time of the server when it gave the last answer; null when the server does not give it.
  returned: success
  type: str
  sample: "2026-01-01T00:00:00Z"
projects:
  description: The projects.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample: [{project_id: 5a0a1e7e0f2912c554080adc, project_name: shop}]
clusters:
  description: Replica sets, whole sharded clusters, and their shards and config servers.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample:
    - project_id: 5a0a1e7e0f2912c554080adc
      project_name: shop
      id: 533d7d4730040be257defe88
      name: orders
      type: REPLICA_SET
      replica_set: orders
      shard: null
      last_heartbeat: "2026-01-01T00:00:00Z"
backup_configurations:
  description: How each cluster is backed up.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample:
    - project_id: 5a0a1e7e0f2912c554080adc
      project_name: shop
      cluster_id: 533d7d4730040be257defe88
      status: STARTED
      storage_engine: WIRED_TIGER
      authentication: NONE
      tls: false
      encryption: false
      provisioned: null
      excluded_namespaces: []
      included_namespaces: null
      preferred_member: null
agents:
  description: The backup, monitoring and automation agents.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample:
    - project_id: 5a0a1e7e0f2912c554080adc
      project_name: shop
      type: BACKUP
      hostname: backup1.example.com
      state: ACTIVE
      last_conf: "2026-01-01T00:00:00Z"
      last_ping: null
      conf_count: 59
      managed: true
      tag: null
alerts:
  description: The open alerts.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample:
    - project_id: 5a0a1e7e0f2912c554080adc
      project_name: shop
      id: 533cb4b8e4b0f1820cdabc7f
      event_type: RESYNC_REQUIRED
      status: OPEN
      created: "2026-01-01T00:00:00Z"
      updated: "2026-01-01T00:05:00Z"
      resolved: null
      acknowledged_until: null
      source_type: REPLICA_SET
      cluster_id: 533d7d4730040be257defe88
      cluster: orders
      replica_set: orders
      shard: null
      host: null
      metric: null
      value: null
      units: null
schedules:
  description: When snapshots are taken, and how long they are kept.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample:
    - project_id: 5a0a1e7e0f2912c554080adc
      project_name: shop
      cluster_id: 533d7d4730040be257defe88
      interval_hours: 24
      retention_days: 2
      daily_retention_days: 0
      weekly_retention_weeks: 2
      monthly_retention_months: 1
      point_in_time_hours: 24
      checkpoint_minutes: null
snapshots:
  description: The snapshots of each cluster, the newest first, including incomplete ones.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample:
    - project_id: 5a0a1e7e0f2912c554080adc
      project_name: shop
      id: 5a4279d4fcc178500596745a
      cluster_id: 533d7d4730040be257defe88
      complete: true
      created: "2026-01-01T00:00:00Z"
      oplog_time: "2025-12-31T23:59:59Z"
      oplog_increment: 1
      do_not_delete: false
      expires: "2026-01-03T00:00:00Z"
      possibly_inconsistent: null
      missing_shards: []
      parts:
        - cluster_id: 533d7d4730040be257defe88
          type: REPLICA_SET
          replica_set: orders
          version: 4.0.28
          data_bytes: 4502
          stored_bytes: 53248
windows:
  description: The maintenance windows that have not ended.
  returned: when O(gather) has it
  type: list
  elements: dict
  sample:
    - project_id: 5a0a1e7e0f2912c554080adc
      project_name: shop
      id: 5628faffd4c606594adaa3b2
      alert_types: [BACKUP]
      start: "2026-01-01T22:00:00Z"
      end: "2026-01-01T23:30:00Z"
      description: null
      created: "2026-01-01T00:00:00Z"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import AGENT
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import bad_option
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client, Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import gathering
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, run_module
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import iso_of

ARGUMENTS = AGENT.extended(
    options={
        "gather": {
            "type": "list",
            "elements": "str",
            "choices": list(gathering.KINDS),
            "default": list(gathering.DEFAULT),
        }
    },
)


def run(module: AnsibleModule) -> Outcome:
    options = module.params["ops_manager"]
    if options is None:
        raise bad_option("the option ops_manager", "none", "say in it where Ops Manager is, with an API key")
    client = Client(Connection.from_options(options))
    found = gathering.gather(client, options, module.params["gather"])
    return Outcome({"server_time": None if client.server_time is None else iso_of(client.server_time), **found})


def main() -> None:
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
