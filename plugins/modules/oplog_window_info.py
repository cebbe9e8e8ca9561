#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the oplog of every member reaches back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: oplog_window_info
short_description: Read how far back the oplog of every member reaches
version_added: 0.1.0
description:
  - Returns the oplog window of every member of a replica set, and whether it is long enough. Works with any replica set and
    needs no agent.
  - A member that cannot be read is listed with the reason, and makes the verdict V(unknown). It does not affect the
    other members. An arbiter has no oplog and no verdict.
  - An oplog that is not full yet has lost nothing, however short its window. It is judged by the length of its window
    once it is full. Until the window itself is long enough, the verdict is at best V(warning).
  - The verdict is V(warning) when the window is long enough, but would be too short if writes went on as in the
    busiest 5 % of the time.
  - Does not fail because of a verdict, only when the members could not be read.
  - Without the role C(clusterMonitor) the module does not see hidden members.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.login
  - mongodb_ops.backup.python
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
options:
  min_hours:
    description:
      - A window of less than this is critical.
    type: float
    default: 24
  rates:
    description:
      - Whether to estimate the write rate from the oplog of one member, preferably a secondary. This takes 0.8 seconds
        at most, whatever the size of the oplog.
    type: bool
    default: true
  exact:
    description:
      - Whether to read the whole oplog for the write rate instead. This takes about a second for each 2 GB, and much
        more where the oplog is not in memory.
    type: bool
    default: false
  bucket_seconds:
    description:
      - The length of the stretches of time (buckets) into which the window is cut. By default there are at most 300
        buckets, each a minute long at least.
    type: int
"""

EXAMPLES = r"""
- name: Read how far back the oplogs of the replica set reach
  mongodb_ops.backup.oplog_window_info:
    login_host: a.example.com
    login_user: monitor
    login_password: "{{ monitor_password }}"
    tls: true
    min_hours: 48
  register: oplog

- name: Stop unless every member keeps two days
  ansible.builtin.assert:
    that: oplog.verdict in ['ok', 'warning']
    fail_msg: "{{ oplog.reasons | join('; ') }}"
"""

RETURN = r"""
replica_set:
  description: The name of the replica set.
  returned: success
  type: str
  sample: rs0
members:
  description: Every member.
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
    hidden:
      description: Whether the member is hidden.
      type: bool
      sample: false
    delay_seconds:
      description: The configured delay of the member.
      type: int
      sample: 0
    verdict:
      description: The verdict over this member; null for an arbiter.
      type: str
      sample: ok
    reason:
      description: Why the verdict is not V(ok), or why there is no window.
      type: str
      sample: an arbiter holds no data and no oplog
    first:
      description: The oldest entry of the oplog. This and all values below are null when the oplog could not be read.
      type: dict
      sample: {time: 1767225600, increment: 1, iso: "2026-01-01T00:00:00Z"}
    last:
      description: The newest entry of the oplog.
      type: dict
      sample: {time: 1767484800, increment: 4, iso: "2026-01-04T00:00:00Z"}
    window_seconds:
      description: The time from the oldest to the newest entry.
      type: int
      sample: 259200
    window_hours:
      description: The same in hours.
      type: float
      sample: 72.0
    projected_hours:
      description: >-
        The window once the oplog is full, at the mean rate of its entries; the same as the window if it is full.
      type: float
      sample: 72.0
    wrapped:
      description:
        - Whether the oplog is full, so that old entries are being dropped. A young oplog that is not full has lost
          nothing yet.
        - Null where that is not known.
      type: bool
      sample: true
    used_bytes:
      description: The size of the entries; null where the user may not ask.
      type: int
      sample: 1038090240
    max_bytes:
      description: The size from which on old entries are dropped; null where the user may not ask.
      type: int
      sample: 1038090240
    min_retention_hours:
      description:
        - How long entries are kept at least, however large the oplog gets; 0 for not at all. Null where the user may not ask.
      type: float
      sample: 0.0
    clock_skew_seconds:
      description: How far the member's clock is ahead of the clock of the host that asks; negative when it is behind.
      type: float
      sample: 0.1
    forecast_p95_hours:
      description: >-
        The window if writes went on at the rate that is exceeded 5 % of the time, or at the mean if that is higher.
      type: float
      sample: 41.5
    forecast_peak_hours:
      description: The window if writes went on at the rate of the busiest bucket.
      type: float
      sample: 8.2
write_rate:
  description: How much is written to the oplog; null when it was not asked for or could not be read.
  returned: success
  type: dict
  contains:
    member:
      description: The member whose oplog was read. The entries are the same on all.
      type: str
      sample: b.example.com:27017
    bucket_seconds:
      description: The length of a bucket.
      type: int
      sample: 300
    mean_bytes_per_second:
      description: The size of the oplog, divided by the length of its window.
      type: float
      sample: 4012.5
    p95_bytes_per_second:
      description: The rate that 5 % of the buckets exceed.
      type: float
      sample: 6948.1
    peak_bytes_per_second:
      description: The rate of the busiest bucket.
      type: float
      sample: 35166.0
    peak_at:
      description: When the busiest bucket began.
      type: str
      sample: "2026-01-02T12:00:00Z"
    entries_per_second:
      description: The number of entries, divided by the length of the window.
      type: float
      sample: 14.3
    exact:
      description: Whether all of the oplog was read. A small oplog always is.
      type: bool
      sample: false
    cut_short:
      description: >-
        Whether the time did not suffice to read the deciding buckets, so that the estimate is rougher than usual.
      type: bool
      sample: false
    entries_read:
      description: How many entries the server read.
      type: int
      sample: 750000
    server_seconds:
      description: How long the reading took, measured by the module.
      type: float
      sample: 0.48
    buckets:
      description: At most 96 points for a chart, the oldest first. Each is the mean of one or more buckets.
      type: list
      elements: dict
      sample: [{start: 1767225600, bytes_per_second: 4100.2}]
write_rate_reason:
  description: Why there is no rate, or why the rate is rougher than usual; else null.
  returned: success
  type: str
  sample: null
forecast_p95_hours:
  description: The smallest value of all members.
  returned: success
  type: float
  sample: 41.5
forecast_peak_hours:
  description: The smallest value of all members.
  returned: success
  type: float
  sample: 8.2
recommended_oplog_bytes:
  description:
    - The size of an oplog that holds O(min_hours) at the rate that is exceeded 5 % of the time.
    - If the mean rate is higher, the mean rate is used.
  returned: success
  type: int
  sample: 600315840
window_hours:
  description: The shortest window of all members; null when none could be read.
  returned: success
  type: float
  sample: 72.0
min_hours:
  description: The target window.
  returned: success
  type: float
  sample: 24.0
verdict:
  description: V(ok), V(warning), V(critical) or V(unknown). Treat V(unknown) like V(critical) where something is decided.
  returned: success
  type: str
  sample: ok
reasons:
  description: A sentence for every member that is not in order, the worst first.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, run_module
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.respawn import PYTHON, continue_with_pymongo
from ansible_collections.mongodb_ops.backup.plugins.module_utils.window_check import Asked, read_replica_set

ARGUMENTS = connection.LOGIN.merge(PYTHON).extended(
    options={
        "min_hours": {"type": "float", "default": 24},
        "rates": {"type": "bool", "default": True},
        "exact": {"type": "bool", "default": False},
        "bucket_seconds": {"type": "int"},
    }
)


def run(module: AnsibleModule) -> Outcome:
    continue_with_pymongo(module)
    login = connection.Login(module.params)
    asked = Asked(**{name: module.params[name] for name in ("min_hours", "rates", "exact", "bucket_seconds")})
    asked.check()
    return Outcome(read_replica_set(login, asked))


def main() -> None:
    run_module(ARGUMENTS, run)


if __name__ == "__main__":
    main()
