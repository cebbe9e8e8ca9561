# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of hosts and plays as ansible-playbook hands them to filters and roles, which no test of a function shows."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = """
all: {vars: {ansible_connection: local}}
backup_jobs:
  hosts:
    torn:
      backup_source_uri: mongodb://db1
      backup_source_tls: {certificate_key_file: "{{ backup_agent_config_directory }}/torn.pem"}
      backup_vendor_agents: ["{{ nobody }}"]
    secret:
      backup_source_uri: mongodb://db2
      backup_source_password: "{{ 's3cr3t' | from_json }}"
    orders: {backup_agent_host: ""}
mongod_hosts: {hosts: {db1: {}}}
"""
PLAYBOOK = """
- hosts: orders
  gather_facts: false
  vars:
    jobs: "{{ groups.backup_jobs | map('extract', hostvars) }}"
    records: "{{ (jobs | mongodb_ops.backup.check_plan | mongodb_ops.backup.check_summary(hostvars, 'never')).records }}"
    reasons: "{{ dict(records | map(attribute='job') | zip(records | map(attribute='reasons') | map('first'))) }}"
    choice: "{{ ['torn'] | mongodb_ops.backup.maintenance_choice(hostvars, groups.backup_jobs) }}"
  tasks:
    - ansible.builtin.import_role: {name: mongodb_ops.backup.backup_agent, tasks_from: start}
      when: false
    - ansible.builtin.assert:
        that:
          - jobs | mongodb_ops.backup.check_jobs | map(attribute='name') == ['orders']
          - reasons.torn is match("Expected a value of backup_source_tls, found 'backup_agent_config_directory' is undefined")
          - reasons.secret is match('Expected a value of backup_source_password, found a template that fails')
          - "'s3cr3t' not in reasons | string"
          - choice.jobs == ['torn']
          - __backup_agent_machine == 'orders'

- hosts: db1
  gather_facts: false
  vars: {rolling_job: orders, rolling_mongod_port: 27018}
  tasks:
    - ansible.builtin.import_role: {name: mongodb_ops.backup.maintenance, tasks_from: summary}
      when: false
    - ansible.builtin.assert:
        that:
          - __rolling_place.jobs == ['orders']
          - __rolling_place.names == ['db1:27018']
    - ansible.builtin.assert:
        that: __rolling_place.names == ['db1.example:1']
      vars: {rolling_member: "db1.example:1"}
"""


def test_as_ansible_has_them(tmp_path: Path) -> None:
    """A template that fails hides no other job, what is empty is not given, and variables of a play count."""
    for name, text in (("hosts.yml", INVENTORY), ("play.yml", PLAYBOOK)):
        (tmp_path / name).write_text(text)
    command = ["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), str(tmp_path / "play.yml")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (0, 3) == (ran.returncode, ran.stdout.count("All assertions passed")), ran.stdout
