#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the backup of a job is behind."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_lag_info
short_description: Read how far the backup of a job is behind
version_added: 0.1.0
description:
  - Returns the state of a backup, how far it is behind its source, how long its source will still have the next entry
    that the backup needs, and the open alerts.
  - The verdict is the agent's own. The thresholds given here can make it worse.
  - Does not fail because of a verdict, only when nothing could be read.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.thresholds
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
options:
  oplog:
    description:
      - What M(mongodb_ops.backup.oplog_window_info) returned for the replica set of this job.
      - Without this option RV(slack_minutes) is null.
    type: dict
seealso:
  - module: mongodb_ops.backup.oplog_window_info
  - module: mongodb_ops.backup.backup_check_info
"""

EXAMPLES = r"""
- name: Read the oplog of the source
  mongodb_ops.backup.oplog_window_info:
    login_host: a.example.com
    login_user: monitor
    login_password: "{{ monitor_password }}"
    tls: true
  register: oplog

- name: Read how far the backup of orders is behind
  mongodb_ops.backup.backup_lag_info:
    agent_config: /etc/backup-agent/orders.yml
    oplog: "{{ oplog }}"
    thresholds:
      backup_lag_seconds: {warning: 600, critical: 1800}
      slack_minutes: {warning: 720, critical: 120}
      proven_age_hours: {warning: 200}
  register: backup_lag

- name: Stop unless the backup is in good order
  ansible.builtin.assert:
    that: backup_lag.verdict in ['ok', 'warning']
    fail_msg: "{{ backup_lag.reasons | join('; ') }}"
"""

RETURN = r"""
verdict:
  description: V(ok), V(warning), V(critical) or V(unknown). Treat V(unknown) like V(critical) where something is decided.
  returned: success
  type: str
  sample: critical
reasons:
  description: A sentence for everything that is not in order, the worst first.
  returned: success
  type: list
  elements: str
  sample: ["the backup lag is 4000 s, more than 1800"]
backup_lag_seconds:
  description: The source's majority-committed optime minus the captured optime; null where it is not known.
  returned: success
  type: float
  sample: 4000.0
backup_lag_primary_seconds:
  description: The primary's last write minus the captured optime; null where it is not known, for example without a primary.
  returned: success
  type: float
  sample: 4001.0
apply_lag_seconds:
  description: The captured optime minus the optime that the head has reached; null when it is not known.
  returned: success
  type: float
  sample: 0.0
headroom_seconds:
  description: How far the captured optime is from the oldest entry of the source's oplog; null where it is not known.
  returned: success
  type: float
  sample: 86000.0
slack_minutes:
  description:
    - How long until the cursor falls off the oplog, if writes go on at the rate that is exceeded 5 % of the time. Null
      when it is not known.
  returned: success
  type: float
  sample: 740.5
state:
  description: V(new), V(initial_sync), V(tailing), V(resync_required), V(resyncing) or V(stopped).
  returned: success
  type: str
  sample: tailing
alerts:
  description: The open alerts, each with its cause.
  returned: success
  type: list
  elements: dict
  sample: [{kind: resync_required, cause: oplog_rolled_over, since: "2026-01-01T00:00:00Z", detail: "gap of 40 s"}]
last_snapshot:
  description: The newest good snapshot; null where there is none.
  returned: success
  type: dict
  sample: {name: nightly-17, created_at: "2026-01-01T00:00:00Z", proven_at: null, age_hours: 7.5}
last_proven_snapshot:
  description: The newest snapshot that was restored and compared; null where there is none.
  returned: success
  type: dict
  sample: {name: nightly-12, created_at: "2025-12-27T00:00:00Z", proven_at: "2025-12-27T00:09:00Z", age_hours: 127.5}
last_resync:
  description: The newest full sync that has succeeded; null where there is none.
  returned: success
  type: dict
  sample: {operation: resync-20251101T020000-1, finished_at: "2025-11-01T03:10:00Z", age_days: 61.2}
last_validation:
  description: The newest comparison of the backup with its source; null where there is none.
  returned: success
  type: dict
  sample: {operation: validation-20251231T020000-9, finished_at: "2025-12-31T02:10:00Z", age_days: 1.2, equal: true}
facts:
  description: What the provider can and cannot do. Branch on these facts instead of on the provider's name.
  returned: success
  type: dict
  sample: {can_report_status: true, can_pause_snapshots: true, reports_lag: true, runs_agents: true}
status:
  description: Everything that the provider says about the job.
  returned: success
  type: dict
  sample: {job: orders, state: tailing, generation: 1, backup_lag_seconds: 2.0, verdict: ok, reasons: []}
"""

from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils import thresholds
from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.backup_check import backup_record
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider

ARGUMENTS = JOB.merge(thresholds.THRESHOLDS).extended(options={"oplog": {"type": "dict"}})


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    limits = module.params["thresholds"]
    thresholds.check(limits)
    demand(provider.facts, "can_report_status")
    record = backup_record(provider.status(), limits, module.params["oplog"], datetime.now(timezone.utc))
    return Outcome({**record, "facts": provider.facts.switches()})


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
