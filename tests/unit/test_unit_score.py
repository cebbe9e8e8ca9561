# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How exposed systemd finds the units that the role writes, and what it does not understand of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = """
- hosts: orders
  gather_facts: false
  vars:
    __backup_agent_identity: {stdout: 0 root root}
    __backup_agent_memory: {stdout: '{"ok": true, "bytes": 4096000000}'}
    backup_agent_ip_allow: "{{ allowed }}"
    templates: "{{ project }}/roles/backup_agent/templates"
  tasks:
    - ansible.builtin.import_role: {name: mongodb_ops.backup.backup_agent, tasks_from: start}
      when: false
    - ansible.builtin.template: {src: "{{ templates }}/{{ item.from }}.j2", dest: "{{ into }}/{{ item.to }}", mode: "0644"}
      loop:
        - {from: backup-agent@.service, to: backup-agent@.service}
        - {from: backup-agent-watch.service, to: backup-agent-watch.service}
        - {from: job.conf, to: job.conf}
"""
INVENTORY = """
backup_agent_hosts: {hosts: {backup1: {}}}
backup_jobs:
  vars: {ansible_connection: local, ansible_python_interpreter: "{{ ansible_playbook_python }}", backup_agent_host: backup1}
  hosts:
    orders: {backup_repository: "/srv/100% backups/orders"}
    invoices: {backup_repository: /srv/invoices}
"""


@pytest.fixture(scope="module", params=[[], ["10.0.0.0/8"]], ids=["anywhere", "addresses"])
def units(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Give the units as the role writes them, and the addresses that they may talk to."""
    into: Path = tmp_path_factory.mktemp("units")
    variables = {"project": str(ROOT), "into": str(into), "allowed": request.param}
    for name, text in (("hosts.yml", INVENTORY), ("play.yml", PLAYBOOK), ("variables.json", json.dumps(variables))):
        (into / name).write_text(text)
    command = ["ansible-playbook", "-i", "hosts.yml", "play.yml", "--limit", "orders", "-e", "@variables.json"]
    where = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections")}
    ran = subprocess.run(command, cwd=into, env=where, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return into, request.param


@pytest.mark.parametrize("unit", ["backup-agent@.service", "backup-agent-watch.service"])
def test_units_are_as_little_exposed_as_they_can_be(units: tuple[Path, list[str]], unit: str) -> None:
    """1.0 of 10 where the addresses are known that they talk to, 1.1 where not."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("needs systemd-analyze")
    directory, addresses = units
    path = directory / unit.replace("@", "@orders")
    path.write_text((directory / unit).read_text())
    most = 10 if addresses else 11  # in tenths
    judge = [analyze, "security", "--no-pager", "--offline=true", f"--threshold={most}", str(path)]

    judged = subprocess.run(judge, capture_output=True, text=True, check=False)

    assert judged.returncode == 0, judged.stdout
    assert "Overall exposure level" in judged.stdout + judged.stderr


def test_a_job_gets_its_own_paths_and_no_others(units: tuple[Path, list[str]]) -> None:
    """The directories of all are empty, what is its own is bound into them, and a percent sign is no specifier."""
    lines = (units[0] / "job.conf").read_text().splitlines()

    assert "TemporaryFileSystem=/etc/backup-agent:ro /var/lib/backup-agent:ro" in lines
    assert 'BindPaths="-/var/lib/backup-agent/orders"' in lines
    assert 'ReadWritePaths="-/var/lib/backup-agent/orders" "-/srv/100%% backups/orders"' in lines
    assert 'InaccessiblePaths="-/srv/invoices"' in lines
    assert "MemoryMax=4096000000" in lines
    (bound,) = [line for line in lines if line.startswith("BindReadOnlyPaths=")]
    assert "/etc/backup-agent/repository/orders" in bound
    assert "invoices" not in bound
