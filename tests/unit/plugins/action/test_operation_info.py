# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""operation_info, the half that runs on the controller: real playbook runs against an agent that moves on by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]

# Answers the n-th question about the operation with the n-th line of a file, and then with the last one for ever.
AGENT = f"""#!{sys.executable}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
if sys.argv[3] == "version":
    print(json.dumps({{"ok": True, "api": 1}}))
    sys.exit()
answers = (here / "answers").read_text().splitlines()
count = here / "count"
n = int(count.read_text()) if count.exists() else 0
count.write_text(str(n + 1))
code, answer = json.loads(answers[min(n, len(answers) - 1)])
print(json.dumps(answer))
sys.exit(code)
"""
DOWN = (4, {"ok": False, "error": {"code": "agent_down", "message": "the daemon is down", "details": {}}})


def state(state: str, sync: str = "running", percent: float = 0.0) -> tuple[int, dict[str, Any]]:
    """Return an answer."""
    steps = [{"name": "sync", "state": sync}, {"name": "validate", "state": "pending"}]
    progress = {"step": "sync", "phase": "copy", "percent": percent, "text": "shop"}
    error = {"code": "failed", "message": "expected room, found none; free some"} if state == "failed" else None
    operation = {"id": "r-1", "kind": "resync", "state": state, "step": "sync", "error": error}
    return 0, {"ok": True, "operation": {**operation, "steps": steps, "progress": progress}}


@pytest.fixture
def follow(tmp_path: Path) -> Any:
    """Return a function that plays one task against these answers, and returns exit code and output."""
    command = tmp_path / "backup-agent"
    command.write_text(AGENT)
    command.chmod(0o755)

    def play(answers: list[tuple[int, dict[str, Any]]], *arguments: str, **options: Any) -> tuple[int, str]:
        (tmp_path / "answers").write_text("\n".join(json.dumps(answer) for answer in answers))
        common = {
            "agent_command": str(command),
            "agent_config": "/etc/orders.yml",
            "follow": True,
            "poll_seconds": 0.01,
        }
        task = {"mongodb_ops.backup.operation_info": {**common, **options}, "register": "r"}
        shown = {
            "ansible.builtin.debug": {"msg": "RESULT {{ r.operation.state }} {{ r.followed_seconds | type_debug }}"}
        }
        plays = [{"hosts": "orders", "gather_facts": False, "tasks": [task, shown]}]
        (tmp_path / "play.json").write_text(json.dumps(plays))
        python = {"ansible_python_interpreter": sys.executable, "ansible_connection": "local"}
        (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"orders": python}}}))
        command_line = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.json", *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
            "ANSIBLE_HOME": str(tmp_path),
        }
        ran = subprocess.run(
            command_line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        return ran.returncode, ran.stdout + ran.stderr

    return play


def test_follows_to_the_end(follow: Any) -> None:
    """Progress is printed with the name of the job, and an outage of the agent in between is waited out."""
    answers = [
        state("queued"),
        state("running", percent=10),
        DOWN,
        DOWN,
        state("running", percent=60),
        state("done", sync="done"),
    ]
    code, output = follow(answers)
    assert 0 == code, output
    assert "RESULT done float" in output
    said = [line.removeprefix("[orders] ") for line in output.splitlines() if line.startswith("[orders]")]
    expected = [
        "sync, copy: 0 % – shop",
        "sync, copy: 10 % – shop",
        "no answer, and the operation goes on meanwhile; asking again for up to 10 min 0 s",
        "answers again",
        "sync, copy: 60 % – shop",
        "sync: done",
    ]
    assert expected == said


def test_until_step(follow: Any) -> None:
    """The task returns when its step is done, while the operation goes on."""
    code, output = follow([state("running"), state("running", sync="done")], until_step="sync")
    assert (0, True) == (code, "RESULT running float" in output), output


def test_failed_operation(follow: Any) -> None:
    """The task fails with the one line of the agent."""
    code, output = follow([state("running"), state("failed", sync="failed")])
    assert (2, True) == (code, "resync r-1 failed in step sync: expected room, found none; free some" in output), output


def test_outage_longer_than_the_grace(follow: Any) -> None:
    """After the grace the task fails, and says that the operation does not depend on it."""
    code, output = follow([DOWN], unreachable_grace_seconds=1)
    assert (2, True) == (code, "The operation does not depend on this" in output), output


def test_timeout(follow: Any) -> None:
    """A limit ends the following and not the operation."""
    code, output = follow([state("running")], follow_timeout_seconds=1)
    assert (2, True) == (code, "found it still open; it goes on: follow it again" in output), output


def test_check_mode_reads_once(follow: Any) -> None:
    """A check must come to an end by itself."""
    code, output = follow([state("running")], "--check")
    assert 0 == code, output
    assert "[orders] sync" not in output


def test_until_step_needs_follow(follow: Any) -> None:
    """A task that was meant to wait must not return at once without a word."""
    code, output = follow([state("running")], follow=False, until_step="sync")
    assert (2, True) == (code, "Expected follow=true together with until_step" in output), output
