"""Plays one task of this collection the way that users do, and returns its result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def play(
    module: str, folder: Path, options: dict[str, Any], python: Path | str = sys.executable, *arguments: str
) -> tuple[bool, dict[str, Any]]:
    """Play one task, by the module's full name, on this host with this Python; return whether it succeeded, and its result."""
    out = folder / "result.json"
    task = {module: options, "register": "r", "ignore_errors": True}
    keep = {
        "ansible.builtin.copy": {"content": "{{ r | to_json }}", "dest": str(out), "mode": "0600"},
        "check_mode": False,
    }
    (folder / "play.json").write_text(json.dumps([{"hosts": "orders", "gather_facts": False, "tasks": [task, keep]}]))
    host = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"orders": host}}}))
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.json", *arguments]
    collections = str(ROOT / ".ansible/collections")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": collections, "ANSIBLE_HOME": str(folder)}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    result = json.loads(out.read_text())
    return not result.get("failed", False), result
