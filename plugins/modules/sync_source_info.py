#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The member that a backup reads from, and why."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sync_source_info
short_description: Read which member a backup reads from, and why
version_added: 0.1.0
description:
  - Returns the member that a resync would copy from, and the reason why each other member was not chosen.
  - Does not fail when no member is eligible; RV(chosen) is null then.
  - Warns of a preference that no member meets, such as a misspelt name.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.without_diff
"""

EXAMPLES = r"""
- name: Find out which member the backup of orders reads from
  mongodb_ops.backup.sync_source_info:
    agent_config: /etc/backup-agent/orders.yml
  register: source

- name: Show why the others were not chosen
  ansible.builtin.debug:
    msg: "{{ source.members | items2dict(key_name='member', value_name='reason') }}"
"""

RETURN = r"""
chosen:
  description: The member to read from; null when no member is eligible.
  returned: success
  type: str
  sample: b.example.com:27017
reason:
  description: Why this member was chosen, or why none was.
  returned: success
  type: str
  sample: the secondary with the least lag
primary:
  description: The primary; null when there is none.
  returned: success
  type: str
  sample: a.example.com:27017
members:
  description: Every member of the replica set.
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
    eligible:
      description: Whether the backup may read from it.
      type: bool
      sample: true
    reason:
      description: Why the member was chosen or not.
      type: str
      sample: the secondary with the least lag
    lag_seconds:
      description: How far the member is behind the primary; null when it is not known.
      type: float
      sample: 0.0
    hidden:
      description: Whether the member is hidden.
      type: bool
      sample: false
    priority:
      description: The member's priority in elections.
      type: float
      sample: 1.0
    delay_seconds:
      description: The configured delay of the member.
      type: int
      sample: 0
    tags:
      description: The member's tags.
      type: dict
      sample: {use: backup}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "can_explain_source")
    answer = provider.sources()
    for text in answer.get("warnings", ()):
        module.warn(text)
    return Outcome({key: answer.get(key) for key in ("chosen", "reason", "primary", "members")})


def main() -> None:
    run_with_provider(JOB, run)


if __name__ == "__main__":
    main()
