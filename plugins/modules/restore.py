#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore a snapshot or a point in time into an empty directory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore a snapshot or a point in time into an empty directory
version_added: 0.1.0
description:
  - You can start a mongod on the directory afterwards, alone or as the first member of a new replica set. The restore
    touches nothing that runs.
  - With O(agent_config) the job's agent restores. The task returns at once; M(mongodb_ops.backup.operation_info)
    follows the operation. If the same owner has an open operation with the same options, the task attaches to it.
  - With O(repository) and O(password_file) the task itself restores, from these two alone, and ends when the restore
    is done. Use this when the agent's machine is lost. Use C(async), because a restore can take long.
  - The module first checks that everything from the snapshot to the wanted point is stored. Otherwise nothing is
    changed, and the error says which ranges can be restored.
  - If the directory already holds exactly this restore, and no server has been started on it, nothing is changed.
  - In check mode the plan is made and returned, with its checks of versions and room.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.with_diff
options:
  agent_config:
    description:
      - The configuration file of the job on this host. Required unless O(repository) or O(ops_manager) is given.
    type: path
  target:
    description:
      - The directory to restore into. It must be empty; it is made when it does not exist.
      - A task of root works as the owner of the job's directory, or with O(repository) as the account in the variable
        E(BACKUP_AGENT_AS) of its environment, else as the owner of the repository. That account owns the files.
    type: path
    required: true
  time:
    description:
      - The point in time. V(latest) is the newest stored point.
      - A time with its zone, such as V(2026-01-31T04:05:06Z), stands for the end of that second. An optime
        V(SECONDS:INCREMENT) is exact.
    type: str
  snapshot:
    description:
      - The name of a snapshot to restore as it is.
    type: str
  submit:
    description:
      - Whether the job's agent restores. If not, the task itself restores, as the user of the task. This also works
        when the agent is down, busy, or may not write to O(target).
      - The default is V(true) with O(agent_config) and V(false) with O(repository). With O(ops_manager) the task
        always restores.
    type: bool
  owner:
    description:
      - The owner of the operation. Required when the agent restores.
    type: str
  reason:
    description:
      - Why the job is restored. People who find the operation read this.
    type: str
  repository:
    description:
      - The restic repository. Anything else that restic needs to reach it comes from the environment of the task.
      - A URL with a password in it is refused, because others could read it.
    type: str
  password_file:
    description:
      - The file on this host with the password of the repository.
    type: path
  job:
    description:
      - The job to restore. Required when the repository holds several jobs.
    type: str
  mongod:
    description:
      - The mongod that replays the oplog. It has to be of the data's major version. The default is the configured
        mongod, else the mongod in E(PATH).
    type: path
  restic:
    description:
      - The restic to call, together with O(repository).
    type: str
seealso:
  - module: mongodb_ops.backup.snapshot_info
  - module: mongodb_ops.backup.operation_info
"""

EXAMPLES = r"""
- name: Let the agent restore orders as it was before the mistake
  mongodb_ops.backup.restore:
    agent_config: /etc/backup-agent/orders.yml
    target: /var/lib/backup-agent/restored-orders
    time: "2026-01-31T04:05:06Z"
    owner: alice
    reason: somebody dropped a collection at 04:05:10
  register: restored

- name: Wait until it has been done
  mongodb_ops.backup.operation_info:
    agent_config: /etc/backup-agent/orders.yml
    operation: "{{ restored.operation.id }}"
    follow: true
  when: restored.operation is not none

- name: Restore orders on a new machine from its repository alone
  mongodb_ops.backup.restore:
    agent_command: /opt/backup-agent/venv/bin/backup-agent
    repository: /mnt/backups/orders
    password_file: /root/orders.restic
    mongod: /usr/bin/mongod
    target: /var/lib/mongodb
    time: latest
  environment:
    BACKUP_AGENT_AS: mongodb # the owner of the target; root does not restore by itself
  async: 86400
  poll: 15
"""

RETURN = r"""
plan:
  description: >-
    What will be restored; null when the restore has been done before, or when the task attached to an operation.
  returned: success
  type: dict
  sample:
    job: orders
    snapshot: scheduled-20260131T000000Z
    snapshot_optime: {time: 1769817600, increment: 1, iso: "2026-01-31T00:00:00Z"}
    until: {time: 1769832306, increment: 4294967295, iso: "2026-01-31T04:05:06Z"}
    generation: 1
    replayed_seconds: 14706
    target: /var/lib/backup-agent/restored-orders
    server_version: 6.0.5
    collections: 12
    documents: 4000000
    data_bytes: 861929472
    oplog_bytes: 73400320
attached:
  description: Whether the task attached to an open operation of the same owner.
  returned: success
  type: bool
  sample: false
operation:
  description: The operation of the agent; null when none was started. See M(mongodb_ops.backup.operation_info).
  returned: success
  type: dict
  sample: {id: restore-20260131T051200-9f3c, kind: restore, owner: alice, state: queued}
restore:
  description:
    - What the directory holds. Null when it is not known yet, because the agent restores or because of check mode.
    - Holds the fields of RV(plan), C(entries) (how many operations were replayed) and C(restored_at), and
      C(missing_indexes) where the source has indexes that the backup has not.
  returned: success
  type: dict
  sample: {job: orders, snapshot: scheduled-20260131T000000Z, entries: 51234, restored_at: "2026-01-31T05:14:09Z"}
error:
  description: What went wrong. When the point in time is in no range, C(details) hold the C(ranges).
  returned: failure
  type: dict
  sample: {code: refused, message: expected an optime that can be restored, retry: false, details: {ranges: []}}
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import AGENT
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput, sentence
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, RestoreRequest, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider
from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import Answer

ARGUMENTS = AGENT.extended(
    options={
        "target": {"type": "path", "required": True},
        "time": {"type": "str"},
        "snapshot": {"type": "str"},
        "submit": {"type": "bool"},
        "owner": {"type": "str"},
        "reason": {"type": "str"},
        "repository": {"type": "str"},
        "password_file": {"type": "path", "no_log": False},
        "job": {"type": "str"},
        "mongod": {"type": "path"},
        "restic": {"type": "str"},
    },
    mutually_exclusive=(("time", "snapshot"), ("agent_config", "repository", "ops_manager")),
    required_one_of=(("time", "snapshot"), ("agent_config", "repository", "ops_manager")),
    required_together=(("repository", "password_file"),),
)


WITH_PASSWORD = re.compile(r"//[^/@]*:[^/@]*@")


def request_of(params: dict[str, Any], has_agent: bool) -> RestoreRequest:
    """Return what to ask of the provider. An owner is passed on only where the agent does it."""
    alone = params["repository"] is not None or not has_agent
    if params["repository"] is not None and WITH_PASSWORD.search(params["repository"]):
        raise usage(
            "a repository without a password in it, since other users can read a command's arguments",
            "a URL with name and password",
            "put them into RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD (restic 0.16.1), or use a configuration",
        )
    submit = not alone if params["submit"] is None else params["submit"]
    if submit and alone:
        raise usage("submit with agent_config", "none", "leave it out: the task itself restores")
    if submit and not params["owner"]:
        raise usage("owner, since the agent does it", "none", "add it")
    same = ("target", "snapshot", "repository", "password_file", "job", "mongod", "restic")
    return RestoreRequest(
        time=None if params["time"] == "latest" else params["time"],
        owner=params["owner"] if submit else None,
        reason=params["reason"],
        **{name: params[name] for name in same},
    )


def usage(expected: str, found: str, remedy: str) -> FixInput:
    return FixInput(sentence(expected=expected, found=found, remedy=remedy), code="usage")


def after(params: dict[str, Any], answer: Answer) -> dict[str, Any] | None:
    """Return what the directory will hold, where that is new."""
    known = answer.get("plan") or answer.get("restore")
    if not answer["changed"] or not known:
        return None
    return {params["target"]: {name: known[name] for name in ("job", "snapshot", "until")}}


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "can_restore")
    if module.params["snapshot"] is None:
        demand(provider.facts, "can_restore_point_in_time")
    answer = provider.restore(request_of(module.params, not provider.facts.operations_need_requests))
    record = {key: answer.get(key) for key in ("plan", "operation", "restore")}
    return Outcome(
        {**record, "attached": bool(answer.get("attached"))},
        changed=answer["changed"],
        diff=difference(None, after(module.params, answer)),
    )


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
