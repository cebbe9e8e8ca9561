#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The snapshots of a job."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List the snapshots of a job
version_added: 0.1.0
description:
  - Returns the snapshots of a job, the newest first, and the points in time that can be restored.
  - The points in time are read from the repository. When it cannot be read, RV(ranges) is null and a warning says why.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
options:
  name:
    description:
      - Return only the snapshot of this name, if there is one.
    type: str
seealso:
  - module: mongodb_ops.backup.snapshot
  - module: mongodb_ops.backup.restore
"""

EXAMPLES = r"""
- name: List the snapshots of orders
  mongodb_ops.backup.snapshot_info:
    agent_config: /etc/backup-agent/orders.yml
  register: listed

- name: Show when the newest proven one was proven
  ansible.builtin.debug:
    msg: "{{ (listed.snapshots | selectattr('proven_at') | first).proven_at }}"
"""

RETURN = r"""
snapshots:
  description: The snapshots, the newest first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: before-migration
    id:
      description: Its id.
      type: str
      sample: "12"
    optime:
      description: The optime of the snapshot.
      type: dict
      sample: {time: 1767225600, increment: 1, iso: "2026-01-01T00:00:00Z"}
    generation:
      description: The generation that it belongs to.
      type: int
      sample: 1
    created_at:
      description: When it was taken.
      type: str
      sample: "2026-01-01T00:00:05Z"
    state:
      description: V(good), V(bad) when a proof has failed, or V(missing) where the repository lacks it.
      type: str
      sample: good
    held:
      description: Whether the snapshot is kept from the retention.
      type: bool
      sample: false
    proven_at:
      description: When it was last restored and compared; null if never.
      type: str
      sample: "2026-01-01T00:05:00Z"
    bytes_added:
      description: How much it added to the repository.
      type: int
      sample: 4194304
    bytes_total:
      description: How much it holds.
      type: int
      sample: 861929472
    restic_id:
      description: Its id in the repository.
      type: str
      sample: 4b1f0a77
ranges:
  description:
    - The ranges in which every point in time can be restored, the oldest first. O(name) does not limit them.
    - Null when the repository could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    generation:
      description: The generation that it belongs to.
      type: int
      sample: 1
    from:
      description: The first point of the range, a snapshot.
      type: dict
      sample: {time: 1767225600, increment: 1, iso: "2026-01-01T00:00:00Z"}
    to:
      description: The last stored point of the oplog; the same as RV(ranges[].from) when there is only the snapshot.
      type: dict
      sample: {time: 1767232800, increment: 7, iso: "2026-01-01T02:00:00Z"}
    seconds:
      description: The length of the range.
      type: int
      sample: 7200
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider

ARGUMENTS = JOB.extended(options={"name": {"type": "str"}})


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "can_take_snapshot")
    name = module.params["name"]
    listed = provider.snapshots()["snapshots"]
    found = [snapshot for snapshot in listed if name in (None, snapshot["name"])]
    return Outcome({"snapshots": found, "ranges": ranges(module, provider) if listed else []})


def ranges(module: AnsibleModule, provider: Provider) -> list[dict[str, Any]] | None:
    """Return what can be restored, or None: snapshots are known although their repository is away for a moment."""
    if not provider.facts.can_restore_point_in_time:
        return None
    try:
        found: list[dict[str, Any]] = provider.ranges()["ranges"]
        return found
    except BackupError as error:
        module.warn(f"what can be restored is not known: {error.message}")
        return None


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
