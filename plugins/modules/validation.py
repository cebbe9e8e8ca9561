#!/usr/bin/python
# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare a backup with its source."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validation
short_description: Compare a backup with its source
version_added: 0.1.0
description:
  - Starts an operation that compares the backup with its source. The task returns at once;
    M(mongodb_ops.backup.operation_info) follows it, and its result has a report per collection.
  - If the same owner has an open validation, the task attaches to it and starts no new one.
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.job
  - mongodb_ops.backup.attributes
  - mongodb_ops.backup.attributes.with_diff
options:
  owner:
    description:
      - The owner of the operation.
    type: str
    required: true
  level:
    description:
      - How thoroughly to compare. V(counts) counts documents, V(sample) compares some documents, V(digest) compares
        every byte of every document. Indexes and options are always compared.
    type: str
    default: digest
    choices: [counts, sample, digest]
seealso:
  - module: mongodb_ops.backup.operation_info
"""

EXAMPLES = r"""
- name: Compare every document of orders with its backup
  mongodb_ops.backup.validation:
    agent_config: /etc/backup-agent/orders.yml
    owner: alice
  register: validation

- name: Wait for the result
  mongodb_ops.backup.operation_info:
    agent_config: /etc/backup-agent/orders.yml
    operation: "{{ validation.operation.id }}"
    follow: true
"""

RETURN = r"""
attached:
  description: Whether the task attached to an open validation of the same owner.
  returned: success
  type: bool
  sample: false
operation:
  description: The operation; null in check mode. See M(mongodb_ops.backup.operation_info).
  returned: success
  type: dict
  sample: {id: validation-3, kind: validation, owner: alice, state: queued}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB
from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Provider, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import run_with_provider

ARGUMENTS = JOB.extended(
    options={
        "owner": {"type": "str", "required": True},
        "level": {"type": "str", "default": "digest", "choices": ["counts", "sample", "digest"]},
    },
)


def run(module: AnsibleModule, provider: Provider) -> Outcome:
    demand(provider.facts, "can_validate")
    answer = provider.validate(module.params["owner"], module.params["level"])
    after = {"validation": module.params["level"]} if answer["changed"] else None
    record = {"attached": bool(answer.get("attached")), "operation": answer.get("operation")}
    return Outcome(record, changed=answer["changed"], diff=difference(None, after))


def main() -> None:
    run_with_provider(ARGUMENTS, run)


if __name__ == "__main__":
    main()
