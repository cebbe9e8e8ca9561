#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How an operation is getting on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: operation_info
short_description: Read the progress of an operation, or follow it
version_added: 0.1.0
description:
  - Returns an operation of a job with its steps, its progress and its result.
  - With O(follow=true) the task asks again and again, shows the progress, and returns when the operation has ended. No
    single request takes long. The task waits out an outage of the connection or the agent; the operation goes on
    meanwhile.
  - On a terminal every change is shown. Without a terminal there is at most one line a minute, or one for each 5
    percent of a phase.
  - Fails when the followed operation failed or was canceled. Without O(follow) it does not fail because of that.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
attributes:
  check_mode:
    details: In check mode the operation is read once and not followed.
options:
  operation:
    description:
      - The id of the operation. The default is the open operation, else the newest.
    type: str
  follow:
    description:
      - Whether to wait until the operation has ended.
    type: bool
    default: false
  until_step:
    description:
      - Wait only until this step has been done. Needs O(follow=true).
    type: str
  after_step:
    description:
      - The O(until_step) of the task before this one. Its steps have been shown, and are not shown again.
    type: str
  carry_on:
    description:
      - Whether to send the requests that the operation waits for, as M(mongodb_ops.backup.resync) does with
        O(mongodb_ops.backup.resync#module:state=continued). This is for providers whose operations do not go on by
        themselves. By default such an operation is only watched.
      - Needs O(follow=true).
    type: bool
    default: false
  poll_seconds:
    description:
      - How long to wait between two requests. An operation may ask for a longer time.
    type: float
    default: 2
  unreachable_grace_seconds:
    description:
      - How long to wait for an unreachable host, or for an agent that does not answer.
    type: int
    default: 600
  follow_timeout_seconds:
    description:
      - Stop following after this time. The task then fails, and the operation goes on. V(0) means no limit.
    type: int
    default: 0
seealso:
  - module: mongodb_ops.backup.resync
"""

EXAMPLES = r"""
- name: Read what orders is doing
  mongodb_ops.backup.operation_info:
    agent_config: /etc/backup-agent/orders.yml
  register: now

- name: Follow the resync until its copy is complete
  mongodb_ops.backup.operation_info:
    agent_config: /etc/backup-agent/orders.yml
    operation: resync-7
    follow: true
    until_step: sync
"""

RETURN = r"""
operation:
  description: The operation; null when there was none.
  returned: success
  type: dict
  contains:
    id:
      description: Its id.
      type: str
      sample: resync-7
    kind:
      description: V(initial_sync), V(resync), V(snapshot), V(proof) or V(validation).
      type: str
      sample: resync
    owner:
      description: Who asked for it.
      type: str
      sample: alice
    reason:
      description: Why.
      type: str
      sample: alert of Monday night
    state:
      description: V(queued), V(running), V(done), V(failed) or V(canceled).
      type: str
      sample: running
    step:
      description: The present step.
      type: str
      sample: sync
    steps:
      description: All its steps in order.
      type: list
      elements: dict
      sample: [{name: preflight, state: done, note: 12 GB to copy}, {name: sync, state: running, note: null}]
    progress:
      description: Progress of the present phase; never goes back.
      type: dict
      sample: {step: sync, phase: copy, percent: 45.0, done: 450, total: 1000, unit: documents, eta_seconds: 12.0}
    result:
      description: The result; null until the operation is done.
      type: dict
      sample: {documents_copied: 1000000, report: /var/lib/backup-agent/orders/reports/resync-7.json}
    error:
      description: Why it failed; null unless it has.
      type: dict
      sample: {code: failed, message: "the source has lost what the copy needs", details: {}}
    created_at:
      description: When it was requested.
      type: str
      sample: "2026-01-01T00:00:00Z"
    finished_at:
      description: When it ended; null until then.
      type: str
      sample: "2026-01-01T00:05:40Z"
followed_seconds:
  description: How long the task has followed the operation.
  returned: when O(follow=true)
  type: float
  sample: 340.5
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import FOLLOWING, JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider

# Following is the work of the action plugin on the controller; the module only knows the options to document them.
ARGUMENTS = JOB.extended(options=FOLLOWING)


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "reports_progress")
    return Outcome({"operation": provider.operation(module.params["operation"])["operation"]})


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
