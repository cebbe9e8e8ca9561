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
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.action import operation_info
from tests.unit.plugins.module_utils.ops_manager.emulated import Product

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

    def play(
        answers: list[tuple[int, dict[str, Any]]], *arguments: str, go_on: bool = False, **options: Any
    ) -> tuple[int, str]:
        (tmp_path / "answers").write_text("\n".join(json.dumps(answer) for answer in answers))
        common = {
            "agent_command": str(command),
            "agent_config": "/etc/orders.yml",
            "follow": True,
            "poll_seconds": 0.01,
        }
        task = {"mongodb_ops.backup.operation_info": {**common, **options}, "register": "r", "ignore_errors": go_on}
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


def test_asks_no_oftener_than_the_backend_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that limits requests says how long to wait between two questions, whatever the task says."""
    running, done = state("running")[1], state("done", sync="done")[1]
    running["operation"]["ask_again_seconds"] = 30.0
    answers = iter([state("queued")[1], running, done])
    action = SimpleNamespace(ask=lambda _operation, _variables: next(answers))
    options = {name: option.get("default") for name, option in operation_info.OPTIONS.items()}
    waits: list[float] = []
    monkeypatch.setattr(operation_info.time, "sleep", waits.append)
    followed = operation_info.Following(action, {**options, "follow": True}, {}).result()  # type: ignore[arg-type]

    assert ("done", [2.0, 30.0]) == (followed["operation"]["state"], waits)


def test_an_outage_leaves_the_operation_as_it_was_seen_last(follow: Any) -> None:
    """The result says what has to be put back; the product cannot be asked any more."""
    waits = state("running")[1]
    waits["operation"]["left_behind"] = ["window w1 mutes alerts"]
    code, output = follow([(0, waits), DOWN], go_on=True, unreachable_grace_seconds=1)
    assert 0 == code, output
    assert "RESULT running float" in output
    assert "The operation waits meanwhile: go on with it once there is an answer." in " ".join(output.split())


def test_carries_on_to_the_end(follow: Any) -> None:
    """Where nothing of ours runs beside the backend, each next request is sent by this task."""
    with Product() as product:
        begun = product.start(method="restart")
        options = {"provider": "ops_manager", "ops_manager": product.options(method="restart")}
        code, output = follow([], operation=begun["id"], carry_on=True, **options)
        left = (product.windows(), product.held())
    assert 0 == code, output
    assert ("RESULT done float" in output, ([], [])) == (True, left), output
    assert product.private_key not in output


def test_without_carry_on_nothing_is_sent(follow: Any) -> None:
    """A task that only looks must not stop or start a backup."""
    with Product() as product:
        begun = product.start(method="restart")
        before = product.writes()
        options = {"provider": "ops_manager", "ops_manager": product.options(method="restart")}
        code, output = follow([], operation=begun["id"], follow_timeout_seconds=2, **options)
        assert before == product.writes()
    assert (2, True) == (code, "found it still open" in output), output


def test_carry_on_needs_follow(follow: Any) -> None:
    """One request alone would look like a whole operation."""
    code, output = follow([state("running")], follow=False, carry_on=True)
    assert (2, True) == (code, "Expected follow=true together with carry_on" in output), output


def test_until_step_needs_follow(follow: Any) -> None:
    """A task that was meant to wait must not return at once without a word."""
    code, output = follow([state("running")], follow=False, until_step="sync")
    assert (2, True) == (code, "Expected follow=true together with until_step" in output), output
