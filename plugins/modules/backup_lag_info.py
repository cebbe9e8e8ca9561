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
  - Returns the state of a backup, how far it is behind its source, how long its source will still have what the backup
    needs next, and the alerts that are open.
  - The verdict is the one of the agent, made worse by the thresholds given here.
  - Does not fail because of a verdict, only when nothing could be found out.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.action_group
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
options:
  warning_seconds:
    description:
      - A backup lag of more than this is a warning.
    type: float
  critical_seconds:
    description:
      - A backup lag of more than this is critical.
    type: float
  min_headroom_hours:
    description:
      - Headroom of less than this is critical.
    type: float
seealso:
  - module: mongodb_ops.backup.oplog_window_info
"""

EXAMPLES = r"""
- name: Read how far the backup of orders is behind
  mongodb_ops.backup.backup_lag_info:
    agent_config: /etc/backup-agent/orders.yml
    critical_seconds: 1800
    min_headroom_hours: 12
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
  sample: ["backup lag in seconds is 4000, more than 1800"]
backup_lag_seconds:
  description: The source's majority-committed optime minus the captured optime; null where it is not known.
  returned: success
  type: float
  sample: 4000.0
headroom_seconds:
  description: How long until what the backup needs next falls off the source's oplog; null where it is not known.
  returned: success
  type: float
  sample: 86000.0
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
status:
  description: Everything that the provider says about the job.
  returned: success
  type: dict
  sample: {job: orders, state: tailing, generation: 1, backup_lag_seconds: 2.0, verdict: ok, reasons: []}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB, Arguments
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import provider_of
from ansible_collections.mongodb_ops.backup.plugins.module_utils.verdict import (
    Finding,
    at_least,
    at_most,
    reasons,
    worst,
)

ARGUMENTS = JOB.merge(
    Arguments(
        options={
            "warning_seconds": {"type": "float"},
            "critical_seconds": {"type": "float"},
            "min_headroom_hours": {"type": "float"},
        },
    )
)


def findings(params: dict[str, Any], status: dict[str, Any]) -> list[Finding]:
    """Judge the lag and the headroom by the thresholds that were given."""
    lag, headroom = status.get("backup_lag_seconds"), status.get("headroom_seconds")
    hours = None if headroom is None else round(headroom / 3600, 3)
    limits = {"warning": params["warning_seconds"], "critical": params["critical_seconds"]}
    return [
        at_most("backup lag in seconds", lag, **limits),
        at_least("headroom in hours", hours, critical=params["min_headroom_hours"]),
    ]


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "can_report_status")
    status = provider.status()
    own = findings(module.params, status)
    top = {key: status.get(key) for key in ("backup_lag_seconds", "headroom_seconds", "state")}
    return Outcome(
        {
            **top,
            "alerts": status.get("alerts") or [],
            "verdict": worst([status["verdict"], *(finding.verdict for finding in own)]),
            "reasons": [*reasons(own), *(status.get("reasons") or [])],
            "status": status,
        }
    )


def main() -> None:
    module = AnsibleModule(**ARGUMENTS.module_arguments())
    try:
        module.exit_json(**run(module, provider_of(module)).result())
    except BackupError as error:
        module.fail_json(**error.failure())


if __name__ == "__main__":
    main()
