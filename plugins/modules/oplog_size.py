#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The size of the oplogs of a replica set."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oplog_size
short_description: Resize the oplogs of a replica set so that each is large enough
version_added: 0.1.0
description:
  - Resizes the oplogs of a replica set with C(replSetResizeOplog), member by member, without a restart. The secondaries come
    first and the primary last; between them the set has to be healthy.
  - Works from any member, and needs no agent. Arbiters are skipped.
  - Changes no member when a data-bearing member cannot be reached or is neither primary nor secondary, or when a disk
    has no room.
  - After an interruption, running the task again goes on with the remaining members.
  - The user needs the role C(hostManager), besides C(clusterMonitor) and C(read) on the database C(local).
  - Resizing can break the cursor of an old backup agent of a vendor. A shrunk oplog gives no disk space back until
    C(compact) is run. A warning says so when it applies.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.login
  - mongodb_ops.backup.python
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.with_diff
options:
  min_hours:
    description:
      - The target window of every oplog. The size comes from the write rate that is exceeded 5 % of the time, as
        M(mongodb_ops.backup.oplog_window_info) estimates it, or from the mean rate if that is higher.
      - An oplog that is too small gets a tenth more than it needs, so that it is not resized again with every new
        estimate.
      - With O(size_bytes) there is only a warning when the size holds less than this.
    type: float
    default: 24
  size_bytes:
    description:
      - The size of every oplog, instead of one derived from O(min_hours). Rounded up to whole MiB. The server takes 990 MiB
        (1038090240) to 1 PiB.
    type: int
  min_retention_hours:
    description:
      - How long entries are kept at least, however large the oplog gets. V(0) turns this off. By default it is left as
        it is.
      - A C(mongod) forgets this setting when it restarts, unless its configuration file has it too. Needs MongoDB 4.4.
    type: float
  allow_shrink:
    description:
      - Whether an oplog may become smaller, or the minimum retention shorter. Otherwise such a member is left as it
        is, and RV(members[].reason) says so.
      - An oplog sized by O(min_hours) shrinks only when it is more than one and a half times as large as it needs to be.
    type: bool
    default: false
  assume_room:
    description:
      - Do not check whether the disks have room for the growth and a tenth of it.
    type: bool
    default: false
  min_history_hours:
    description:
      - An oplog that is not full yet has to reach back at least this far before a size is derived from its entries.
    type: float
    default: 1
  max_lag_seconds:
    description:
      - How far a secondary may be behind before the next member is resized, in addition to a configured delay.
    type: float
    default: 60
  health_timeout_seconds:
    description:
      - How long to wait for the set to be healthy before each member.
    type: float
    default: 120
"""

EXAMPLES = r"""
- name: Let every member hold two days
  mongodb_ops.backup.oplog_size:
    login_host: a.example.com
    login_user: admin
    login_password: "{{ admin_password }}"
    tls: true
    min_hours: 48

- name: Set all oplogs to 50 GiB, also those that are larger
  mongodb_ops.backup.oplog_size:
    login_uri: mongodb://a.example.com,b.example.com/?replicaSet=rs0&tls=true
    size_bytes: "{{ 50 * 1024 ** 3 }}"
    allow_shrink: true
"""

RETURN = r"""
replica_set:
  description: The name of the replica set.
  returned: success
  type: str
  sample: rs0
members:
  description: Every data-bearing member, changed members first.
  returned: success
  type: list
  elements: dict
  contains:
    member:
      description: Host and port.
      type: str
      sample: b.example.com:27017
    state:
      description: The state of the member in the replica set.
      type: str
      sample: SECONDARY
    window_hours:
      description: How far the oplog reaches back.
      type: float
      sample: 7.2
    before:
      description: The oplog size and the minimum retention (0 for none) before the task.
      type: dict
      sample: {size_bytes: 1038090240, min_retention_hours: 0.0}
    after:
      description: The same after the task, or in check mode the predicted values.
      type: dict
      sample: {size_bytes: 4294967296, min_retention_hours: 0.0}
    changed:
      description: Whether the two differ.
      type: bool
      sample: true
    reason:
      description: Why the oplog has that size, or why it was left as it was.
      type: str
      sample: 24 hours at the rate of its busy times need 3.636 GiB
steps:
  description: The members that were resized, or in check mode would be resized, in this order.
  returned: success
  type: list
  elements: str
  sample: ["b.example.com:27017", "a.example.com:27017"]
recommended_oplog_bytes:
  description: The size that holds O(min_hours) at the rate that is exceeded 5 % of the time; null when it is not known.
  returned: success
  type: int
  sample: 3904515724
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import Arguments
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference, run_module
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.decision import cautions, plan
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.facts import Wish
from ansible_collections.mongodb_ops.backup.plugins.module_utils.resize.run import Wire, carry_out
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.respawn import PYTHON, continue_with_pymongo
from ansible_collections.mongodb_ops.backup.plugins.module_utils.window_check import Asked, read_replica_set

WISH = Arguments(
    options={
        "min_hours": {"type": "float", "default": 24},
        "size_bytes": {"type": "int"},
        "min_retention_hours": {"type": "float"},
        "allow_shrink": {"type": "bool", "default": False},
        "assume_room": {"type": "bool", "default": False},
        "min_history_hours": {"type": "float", "default": 1},
        "max_lag_seconds": {"type": "float", "default": 60},
        "health_timeout_seconds": {"type": "float", "default": 120},
    }
)
ARGUMENTS = connection.LOGIN.merge(PYTHON).merge(WISH)


def run(module: AnsibleModule) -> Outcome:
    continue_with_pymongo(module)
    login = connection.Login(module.params)
    wish = Wish(**{name: module.params[name] for name in WISH.options})
    wish.check()
    record = read_replica_set(login, Asked(min_hours=wish.min_hours))
    wire = Wire(login)
    # Whom nobody judges holds no data.
    members = [wire.facts(member) for member in record["members"] if member["verdict"] is not None]
    steps = plan(members, record["write_rate"], wish)
    for caution in cautions(steps, record["write_rate"], wish):
        module.warn(caution)
    changing = [step.facts.address for step in steps if step.changes]
    done = changing if module.check_mode else carry_out(wire, steps, wish)
    found = {"replica_set": record["replica_set"], "members": [step.as_dict() for step in steps], "steps": done}
    found["recommended_oplog_bytes"] = record["recommended_oplog_bytes"]
    before = {step.facts.address: step.before() for step in steps}
    diff = difference(before, {step.facts.address: step.after() for step in steps})
    return Outcome(found, changed=bool(done), diff=diff)


def main() -> None:
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
