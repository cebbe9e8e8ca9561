# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""operation_info, the half that runs on the controller: real playbook runs against an agent that moves on by itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
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


def waiting() -> tuple[int, dict[str, Any]]:
    """Return the answer of an operation that goes on only if somebody carries it on."""
    code, answer = state("running")
    answer["operation"]["left_behind"] = ["window w1 mutes alerts"]
    return code, answer


@dataclass(frozen=True)
class Case:
    """One task: the answers of its agent, and what is asked of the module beside the usual."""

    answers: list[tuple[int, dict[str, Any]]]
    options: dict[str, Any] = field(default_factory=dict)
    check_mode: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a task ended, and what was printed from its beginning on."""

    failed: bool
    state: str
    #: Whether the result has the seconds that it was followed.
    timed: bool
    output: str


TO_THE_END = [
    state("queued"),
    state("running", percent=10),
    DOWN,
    DOWN,
    state("running", percent=60),
    state("done", sync="done"),
]
#: One playbook plays them all, because starting one takes longer than a case.
CASES = {
    "to the end": Case(TO_THE_END),
    "until step": Case([state("running"), state("running", sync="done")], {"until_step": "sync"}),
    "failed": Case([state("running"), state("failed", sync="failed")]),
    "outage": Case([DOWN], {"unreachable_grace_seconds": 1}),
    "timeout": Case([state("running")], {"follow_timeout_seconds": 1}),
    "check mode": Case([state("running")], check_mode=True),
    "outage of one that waits": Case([waiting(), DOWN], {"unreachable_grace_seconds": 1}),
    "carry on without follow": Case([state("running")], {"follow": False, "carry_on": True}),
    "until step without follow": Case([state("running")], {"follow": False, "until_step": "sync"}),
}


def tasks_of(name: str, case: Case, directory: Path) -> list[dict[str, Any]]:
    """Return the task of a case and the one that prints its end, after making its agent."""
    directory.mkdir()
    command = directory / "backup-agent"
    command.write_text(AGENT)
    command.chmod(0o755)
    (directory / "answers").write_text("\n".join(json.dumps(answer) for answer in case.answers))
    options = {"agent_command": str(command), "agent_config": "/etc/orders.yml", "follow": True, "poll_seconds": 0.01}
    task = {
        "name": name,
        "mongodb_ops.backup.operation_info": {**options, **case.options},
        "register": "r",
        "ignore_errors": True,
        "check_mode": case.check_mode,
    }
    end = "RESULT {{ r is failed }} {{ (r.operation | default({}, true)).state | default('-') }} "
    return [
        task,
        {"name": "-", "ansible.builtin.debug": {"msg": end + "{{ r.followed_seconds | default | type_debug }}"}},
    ]


def play(directory: Path, cases: dict[str, Case]) -> dict[str, Outcome]:
    """Play the tasks of all cases and return how each of them ended, by its name."""
    tasks = [task for number, name in enumerate(cases) for task in tasks_of(name, cases[name], directory / str(number))]
    (directory / "play.json").write_text(json.dumps([{"hosts": "orders", "gather_facts": False, "tasks": tasks}]))
    python = {"ansible_python_interpreter": sys.executable, "ansible_connection": "local"}
    (directory / "hosts.json").write_text(json.dumps({"all": {"hosts": {"orders": python}}}))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
        "ANSIBLE_HOME": str(directory),
    }
    command = [sys.executable, "-m", "ansible", "playbook", "-i", "hosts.json", "play.json"]
    ran = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    parts = re.split(r"^TASK \[(.*?)\] \*+$", ran.stdout, flags=re.MULTILINE)
    printed = dict(zip(parts[1::4], zip(parts[2::4], parts[4::4], strict=True), strict=True))
    return {name: outcome(*both) for name, both in printed.items()}


def outcome(output: str, end: str) -> Outcome:
    """Read what was printed at the end of a task."""
    found = re.search(r"RESULT (True|False) (\S+) (\w+)", end)
    assert found, end
    return Outcome(found[1] == "True", found[2], found[3] == "float", output)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """Give the outcome of every case."""
    return play(tmp_path_factory.mktemp("cases"), CASES)


def test_follows_to_the_end(outcomes: dict[str, Outcome]) -> None:
    """Progress is printed with the name of the job, and an outage of the agent in between is waited out."""
    followed = outcomes["to the end"]
    assert (followed.failed, followed.state, followed.timed) == (False, "done", True)
    said = [line.removeprefix("[orders] ") for line in followed.output.splitlines() if line.startswith("[orders]")]
    assert said == [
        "sync, copy: 0 % – shop",
        "sync, copy: 10 % – shop",
        "no answer, and the operation goes on meanwhile; asking again for up to 10 min 0 s",
        "answers again",
        "sync, copy: 60 % – shop",
        "sync: done",
    ]


def test_until_step(outcomes: dict[str, Outcome]) -> None:
    """The task returns when its step is done, while the operation goes on."""
    found = outcomes["until step"]
    assert (found.failed, found.state, found.timed) == (False, "running", True)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        # The one line of the agent.
        ("failed", "resync r-1 failed in step sync: expected room, found none; free some"),
        # After the grace it is said that the operation does not depend on the task.
        ("outage", "The operation does not depend on this"),
        # A limit ends the following and not the operation.
        ("timeout", "found it still open; it goes on: follow it again"),
        # One request alone would look like a whole operation.
        ("carry on without follow", "Expected follow=true together with carry_on"),
        # A task that was meant to wait must not return at once without a word.
        ("until step without follow", "Expected follow=true together with until_step"),
    ],
)
def test_a_task_fails_with_the_reason(outcomes: dict[str, Outcome], case: str, message: str) -> None:
    """It says in one sentence what has happened and what to do."""
    assert outcomes[case].failed
    assert message in outcomes[case].output


def test_check_mode_reads_once(outcomes: dict[str, Outcome]) -> None:
    """A check must come to an end by itself."""
    assert not outcomes["check mode"].failed
    assert "[orders] sync" not in outcomes["check mode"].output


def test_an_outage_leaves_the_operation_as_it_was_seen_last(outcomes: dict[str, Outcome]) -> None:
    """An operator who has to put something back reads in the result what that is; the product cannot be asked any more."""
    found = outcomes["outage of one that waits"]
    assert (found.failed, found.state, found.timed) == (True, "running", True)
    assert "The operation waits meanwhile: go on with it once there is an answer." in " ".join(found.output.split())


def test_asks_no_oftener_than_the_backend_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product that limits requests says how long to wait between two questions, whatever the task says."""
    running, done = state("running")[1], state("done", sync="done")[1]
    running["operation"]["ask_again_seconds"] = 30.0
    answers = iter([state("queued")[1], running, done])
    action = SimpleNamespace(ask=lambda _operation, _variables: next(answers))
    options = {name: option.get("default") for name, option in operation_info.FOLLOWING.items()}
    waits: list[float] = []
    monkeypatch.setattr(operation_info.time, "sleep", waits.append)
    followed = operation_info.Following(action, {**options, "follow": True}, {}).result()  # type: ignore[arg-type]

    assert ("done", [2.0, 30.0]) == (followed["operation"]["state"], waits)


def test_bears_silence_for_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock starts with the first request without an answer, not with each; two short outages are not one long one."""
    silent, running = {"unreachable": True, "msg": "gone"}, state("running")[1]
    answers = iter([silent, silent, running, *[silent] * 9])
    action = SimpleNamespace(ask=lambda _operation, _variables: next(answers), reconnect=lambda: None)
    options = {name: option.get("default") for name, option in operation_info.FOLLOWING.items()}
    clock = [0.0]
    passed = SimpleNamespace(monotonic=lambda: clock[-1], sleep=lambda seconds: clock.append(clock[-1] + seconds))
    monkeypatch.setattr(operation_info, "time", passed)
    options |= {"follow": True, "poll_seconds": 100, "unreachable_grace_seconds": 200}
    followed = operation_info.Following(action, options, {}).result()  # type: ignore[arg-type]

    assert 6 == len(list(answers))
    assert "No answer for 3 min 20 s: gone" in followed["msg"]


@pytest.fixture
def follow_product(tmp_path: Path) -> Callable[..., Outcome]:
    """Return a function that plays one task against Ops Manager."""

    def follow(product: Product, operation: str, **options: Any) -> Outcome:
        managed = {"provider": "ops_manager", "ops_manager": product.options(method="restart"), "operation": operation}
        return play(tmp_path, {"it": Case([], managed | options)})["it"]

    return follow


def test_carries_on_to_the_end(follow_product: Callable[..., Outcome]) -> None:
    """Where nothing of ours runs beside the backend, each next request is sent by this task."""
    with Product() as product:
        begun = product.start(method="restart")
        found = follow_product(product, begun["id"], carry_on=True)
        left = (product.windows(), product.held())
    assert (found.failed, found.state, found.timed, left) == (False, "done", True, ([], []))
    assert product.private_key not in found.output


def test_without_carry_on_nothing_is_sent(follow_product: Callable[..., Outcome]) -> None:
    """A task that only looks must not stop or start a backup."""
    with Product() as product:
        begun = product.start(method="restart")
        before = product.writes()
        found = follow_product(product, begun["id"], follow_timeout_seconds=2)
        assert before == product.writes()
    assert found.failed
    assert "found it still open" in found.output
