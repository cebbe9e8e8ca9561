# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for tests of the plugins: a module with a closed list of attributes, and an agent that follows a script."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.unit.plugins.small_api import SmallApi

COMMON = {"provider": "embedded", "agent_command": "backup-agent", "agent_config": "/etc/orders.yml"}


class ModuleDouble:
    """All that run() of a module may use. Exiting is for main, so there is nothing here to exit with."""

    __slots__ = ("_diff", "check_mode", "deprecate", "params", "run_command", "warn")

    def __init__(self, params: dict[str, Any], check_mode: bool, diff: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        self._diff = diff


@pytest.fixture
def create_module():
    """Return a function that builds what run() gets as its module."""

    def create(check_mode: bool = False, diff: bool = False, **params: Any) -> ModuleDouble:
        return ModuleDouble({**COMMON, **params}, check_mode, diff)

    return create


class ScriptedAgent:
    """Answers the commands of a provider in order, and fails the test when one is missing or left over."""

    def __init__(self) -> None:
        self._exchanges: list[tuple[list[str], int, str, str]] = []
        self.expect("version", answer={"ok": True, "api": 1})

    def expect(self, *words: str, answer: Any, code: int = 0, err: str = "") -> ScriptedAgent:
        """Add an exchange; an answer that is not a dictionary is printed as it is."""
        out = json.dumps(answer) if isinstance(answer, dict) else answer
        self._exchanges.append(([*words, "--json"], code, out, err))
        return self

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        assert ["backup-agent", "--config", "/etc/orders.yml"] == command[:3]
        assert self._exchanges, f"unexpected: {command}"
        words, code, out, err = self._exchanges.pop(0)
        assert words == command[3:]
        return code, out, err

    def assert_finished(self) -> None:
        """Fail when an expected command was not called."""
        assert [] == self._exchanges


@pytest.fixture
def agent():
    """Return an agent that follows a script, version first."""
    scripted = ScriptedAgent()
    yield scripted
    scripted.assert_finished()


FAKE_AGENT = """#!{python}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
answers = json.loads((here / "answers.json").read_text())
word = sys.argv[3]
with (here / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
code, answer = answers[word]
print(json.dumps(answer))
sys.exit(code)
"""


class ExecutableAgent:
    """A real command that prints prepared answers: for tests that go through main() and run_command."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "backup-agent"
        self.path.write_text(FAKE_AGENT.format(python=sys.executable))
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)
        self._answers: dict[str, Any] = {}
        self.answer("version", {"ok": True, "api": 1})

    def answer(self, word: str, answer: dict[str, Any], code: int = 0) -> None:
        """Prepare the answer to a command."""
        self._answers[word] = (code, answer)
        self.path.with_name("answers.json").write_text(json.dumps(self._answers))

    def calls(self) -> list[str]:
        """Return the arguments of every call so far."""
        return self.path.with_name("calls").read_text().splitlines()


@pytest.fixture
def executable_agent(tmp_path):
    """Return a fake backup-agent on disk."""
    return ExecutableAgent(tmp_path)


@pytest.fixture
def run_main(capsys):
    """Return a function that runs main() of a module like Ansible does, and returns exit code and result."""

    def run(module: Any, check_mode: bool = False, **params: Any) -> tuple[int, dict[str, Any]]:
        special = {
            "_ansible_check_mode": check_mode,
            "_ansible_remote_tmp": "/tmp",
            "_ansible_keep_remote_files": False,
        }
        with patch_module_args({**params, **special}), pytest.raises(SystemExit) as ended:
            module.main()
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def api():
    """Return a small server in the place of Ops Manager."""
    server = SmallApi()
    yield server
    server.close()
