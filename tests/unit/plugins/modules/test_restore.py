# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""restore."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded
from ansible_collections.mongodb_ops.backup.plugins.modules import restore

UNTIL = {"time": 1769832306, "increment": 1, "iso": "2026-01-31T04:05:06Z"}
PLAN = {"job": "orders", "snapshot": "a", "until": UNTIL, "documents": 7}
EMPTY = {"ok": True, "changed": False, "attached": False, "plan": None, "operation": None, "restore": None}
HOLDS = {"/t": {"job": "orders", "snapshot": "a", "until": UNTIL}}
DEFAULTS = {
    "target": "/t",
    "time": None,
    "snapshot": None,
    "submit": None,
    "owner": None,
    "reason": None,
    "repository": None,
    "password_file": None,
    "job": None,
    "mongod": None,
    "restic": None,
}


class TestRun:
    def test_lets_the_agent_do_it(self, create_module: Any, agent: Any) -> None:
        """The operation is returned for the next task to follow."""
        operation = {"id": "restore-1"}
        wanted = "restore --target /t --at 2026-01-31T04:05:06Z --submit --owner me --reason why"
        agent.expect(*wanted.split(), answer={**EMPTY, "changed": True, "plan": PLAN, "operation": operation})
        module = create_module(**{**DEFAULTS, "time": "2026-01-31T04:05:06Z", "owner": "me", "reason": "why"})
        outcome = restore.run(module, Embedded(module.params, agent, False))
        assert (True, HOLDS) == (outcome.changed, (outcome.diff or {})["after"])
        assert {"plan": PLAN, "operation": operation, "restore": None, "attached": False} == outcome.record

    def test_attaching_is_no_change(self, create_module: Any, agent: Any) -> None:
        """A playbook that is run again finds the restore that it began."""
        answer = {**EMPTY, "attached": True, "operation": {"id": "restore-1"}}
        agent.expect(*["restore", "--target", "/t", "--submit", "--owner", "me"], answer=answer)
        module = create_module(**{**DEFAULTS, "time": "latest", "owner": "me"})
        outcome = restore.run(module, Embedded(module.params, agent, False))
        assert (False, {}, True) == (outcome.changed, (outcome.diff or {})["after"], outcome.record["attached"])

    def test_check_mode_returns_the_plan(self, create_module: Any, agent: Any) -> None:
        """The agent only looks, and predicts the change."""
        wanted = "restore --target /t --snapshot a --submit --owner me --dry-run"
        agent.expect(*wanted.split(), answer={**EMPTY, "changed": True, "plan": PLAN})
        module = create_module(True, **{**DEFAULTS, "snapshot": "a", "owner": "me"})
        outcome = restore.run(module, Embedded(module.params, agent, True))
        assert (True, PLAN, HOLDS) == (outcome.changed, outcome.record["plan"], (outcome.diff or {})["after"])

    def test_what_is_there_already_is_no_change(self, create_module: Any, agent: Any) -> None:
        """With what the directory holds."""
        agent.expect(
            *["restore", "--target", "/t", "--snapshot", "a"], answer={**EMPTY, "restore": {**PLAN, "entries": 3}}
        )
        module = create_module(**{**DEFAULTS, "snapshot": "a", "submit": False})
        outcome = restore.run(module, Embedded(module.params, agent, False))
        assert (False, {}, 3) == (outcome.changed, (outcome.diff or {})["after"], outcome.record["restore"]["entries"])

    def test_a_repository_is_enough(self, create_module: Any) -> None:
        """No configuration and no agent: the command does it."""
        called: list[list[str]] = []

        def runner(command: list[str]) -> tuple[int, str, str]:
            called.append(command)
            answer = {**EMPTY, "changed": True, "restore": PLAN} if "restore" in command else {"ok": True, "api": 1}
            return 0, json.dumps(answer), ""

        alone = {"repository": "/r", "password_file": "/p", "job": "orders", "mongod": "/m", "restic": "/x"}
        module = create_module(**{**DEFAULTS, **alone, "agent_config": None, "time": "latest", "owner": "me"})
        outcome = restore.run(module, Embedded(module.params, runner, False))
        options = "--repository /r --password-file /p --job orders --mongod /m --restic /x"
        assert f"backup-agent restore --target /t {options} --json".split() == called[-1]
        assert (True, HOLDS) == (outcome.changed, (outcome.diff or {})["after"])

    def test_the_ranges_come_with_the_refusal(self, create_module: Any, agent: Any) -> None:
        """A playbook can show them."""
        error = {"code": "refused", "message": "expected an optime", "details": {"ranges": [{"seconds": 7}]}}
        wanted = "restore --target /t --at 1:1 --submit --owner me"
        agent.expect(*wanted.split(), answer={"ok": False, "error": error}, code=3)
        module = create_module(**{**DEFAULTS, "time": "1:1", "owner": "me"})
        with pytest.raises(AskOperator) as caught:
            restore.run(module, Embedded(module.params, agent, False))
        assert [{"seconds": 7}] == caught.value.details["ranges"]


class TestRequestOf:
    def test_an_agent_needs_to_know_for_whom(self) -> None:
        """People who find the operation ask that first."""
        with pytest.raises(FixInput, match="owner"):
            restore.request_of({**DEFAULTS, "time": "latest"}, True)

    def test_an_agent_restores_its_own_repository(self) -> None:
        """It would silently restore another one."""
        with pytest.raises(FixInput, match="submit with agent_config"):
            restore.request_of({**DEFAULTS, "submit": True, "repository": "/r", "owner": "me"}, True)

    @pytest.mark.parametrize("location", ["rest:https://user:secret@host/r", "rest:http://u:secret@[::1]:8000/"])
    def test_a_password_in_the_repository_is_refused(self, location: str) -> None:
        """Others could read it in the arguments of the command."""
        with pytest.raises(FixInput, match="without a password") as refused:
            restore.request_of({**DEFAULTS, "time": "latest", "repository": location}, True)
        assert "secret" not in str(refused.value)

    @pytest.mark.parametrize(
        "location", ["/srv/r", "sftp:me@host:/srv/r", "rest:https://host:8000/a@b", "s3:https://h/b"]
    )
    def test_other_repositories_are_taken(self, location: str) -> None:
        """A user name alone, a port and a bucket are no secrets."""
        request = restore.request_of({**DEFAULTS, "time": "latest", "repository": location}, True)
        assert location == request.repository


class TestMain:
    @pytest.mark.parametrize(
        ("words", "params"),
        [
            ("one of the following is required: time, snapshot", {"agent_config": "/c"}),
            ("mutually exclusive: time|snapshot", {"agent_config": "/c", "time": "latest", "snapshot": "a"}),
            ("one of the following is required: agent_config, repository", {"time": "latest"}),
            ("required together: repository, password_file", {"time": "latest", "repository": "/r"}),
        ],
    )
    def test_options_that_contradict(self, run_main: Any, words: str, params: dict[str, str]) -> None:
        """Said before anything is called."""
        code, result = run_main(restore, target="/t", **params)
        assert 1 == code
        assert words in result["msg"]
