#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether maintenance may stop the backup for a while."""

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_gate
short_description: Say whether a planned downtime is safe for the backups
version_added: 0.1.0
description:
  - While an agent is away its source goes on writing. When the oplog has dropped the next entry that the agent needs,
    the backup is out of sync, and only a resync helps. This module computes how long that takes, and compares it with
    the planned downtime.
  - With several jobs the worst decides. A job that gives no answer, or whose time is not known, is not safe.
  - For a job without an agent, the module takes the newest entry of the oplog as the cursor. So it also works for
    other products that follow the oplog.
  - Fails when the downtime is not safe, unless O(fail=false). C(error.details) of the failure holds all return values.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.jobs
  - mongodb_ops.backup.python
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
attributes:
  check_mode:
    details: The module never changes anything. It fails in check mode too.
options:
  planned_downtime_minutes:
    description:
      - How long the agent will be away.
    type: float
    required: true
  margin_minutes:
    description:
      - How much time has to be left after the planned downtime, in case something takes longer than planned.
    type: float
    default: 60
  rate:
    description:
      - The write rate to assume. The peak is the busiest stretch of the whole oplog, as if it lasted all the time.
    type: str
    choices: [mean, p95, peak]
    default: p95
  fail:
    description:
      - Whether to fail when the downtime is not safe.
    type: bool
    default: true
seealso:
  - module: mongodb_ops.backup.backup_check_info
"""

EXAMPLES = r"""
- name: Stop unless the backups of the cluster can bear 45 minutes without their agents
  mongodb_ops.backup.maintenance_gate:
    planned_downtime_minutes: 45
    margin_minutes: 120
    jobs:
      - name: shop0
        login_uri: mongodb://shop0a.example.com,shop0b.example.com/?replicaSet=shop0&tls=true
        agent_config: /etc/backup-agent/shop0.yml
      - name: shop1
        login_uri: mongodb://shop1a.example.com,shop1b.example.com/?replicaSet=shop1&tls=true
        agent_config: /etc/backup-agent/shop1.yml
  register: gate

- name: Say by when the agents have to run again
  ansible.builtin.debug:
    msg: "{{ gate.arithmetic }}"
"""

RETURN = r"""
safe:
  description: Whether every job can bear the downtime and the margin.
  returned: success
  type: bool
  sample: true
verdict:
  description: V(ok) when the downtime is safe, else V(critical).
  returned: success
  type: str
  sample: ok
decided_by:
  description: >-
    The job that decided: a job that is not safe, or the one with the least time.
  returned: success
  type: str
  sample: shop1
seconds_until_lost:
  description: How long that job's agent can be away until its cursor falls off the oplog; null where that is not known.
  returned: success
  type: float
  sample: 43200.0
latest_safe_restart:
  description: >-
    The latest time at which that job's agent has to run again, with the margin kept; null when it is not known.
  returned: success
  type: str
  sample: "2026-01-01T11:00:00Z"
arithmetic:
  description: The calculation, in words.
  returned: success
  type: str
  sample: >-
    shop1: safe, 12.0 h until the cursor falls off (at 1.2 MB/s, the 95th percentile rate); planned 45 min and a margin of 120 min
    make 165 min: start again by 2026-01-01T10:00:00Z
reasons:
  description: The same sentence for every job that is not safe.
  returned: success
  type: list
  elements: str
  sample: []
jobs:
  description: The answer for every job, the one that decides first.
  returned: success
  type: list
  elements: dict
  sample:
    - job: shop1
      cluster: shop
      safe: true
      seconds_until_lost: 43200.0
      latest_safe_restart: "2026-01-01T11:00:00Z"
      arithmetic: "shop1: safe, …"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils import fleet, gate
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, run_module
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.respawn import continue_with_pymongo

ARGUMENTS = fleet.JOBS.extended(
    options={
        "planned_downtime_minutes": {"type": "float", "required": True},
        "margin_minutes": {"type": "float", "default": 60},
        "rate": {"type": "str", "choices": list(gate.RATES), "default": "p95"},
        "fail": {"type": "bool", "default": True},
    }
)


def run(module: AnsibleModule) -> Outcome:
    if fleet.needs_pymongo(module.params):
        continue_with_pymongo(module)
    maintenance = gate.Maintenance(
        module.params["planned_downtime_minutes"], module.params["margin_minutes"], module.params["rate"]
    )
    maintenance.check()
    answer = gate.judge(fleet.check_jobs(module.params), maintenance, fleet.now())
    if module.params["fail"] and not answer["safe"]:
        message = "The downtime is not safe: " + "; ".join(answer["reasons"])
        raise AskOperator(message, code="unsafe", details=answer)
    return Outcome(answer)


def main() -> None:
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
