# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The embedded provider and its conversation with the agent."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import (
    AskOperator,
    BackupError,
    FixInput,
    GiveUp,
    RetryLater,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers import embedded
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import RestoreRequest
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import Embedded

PARAMS = {"agent_command": "backup-agent", "agent_config": "/etc/orders.yml"}


def refusal(code: str) -> dict[str, Any]:
    """Return a failure as the agent prints it."""
    return {"ok": False, "error": {"code": code, "message": f"{code}: do this", "details": {"id": "r-1"}}}


class TestApi:
    @pytest.mark.parametrize("api", [1, 0])
    def test_accepts_this_and_the_one_before(self, api: int) -> None:
        """Collection and agent are never upgraded at the same moment."""
        answers = iter([(0, f'{{"ok": true, "api": {api}}}', ""), (0, '{"ok": true, "snapshots": []}', "")])
        assert [] == Embedded(PARAMS, lambda _command: next(answers), False).snapshots()["snapshots"]

    @pytest.mark.parametrize(("side", "api"), [("collection", "2"), ("agent", "-1"), ("agent", "null")])
    def test_says_which_side_to_upgrade(self, side: str, api: str) -> None:
        """The message names the side that is behind."""
        provider = Embedded(PARAMS, lambda _command: (0, f'{{"ok": true, "api": {api}}}', ""), False)
        with pytest.raises(FixInput, match=f"upgrade the {side} on this host"):
            provider.snapshots()

    def test_asked_once(self, agent: Any) -> None:
        """Starting the agent's command costs time, so the version is asked for once."""
        agent.expect("snapshots", answer={"ok": True, "snapshots": []})
        agent.expect("operation", answer={"ok": True, "operation": None})
        provider = Embedded(PARAMS, agent, False)
        provider.snapshots()
        assert {"ok": True, "operation": None} == provider.operation(None)


class TestBombs:
    @pytest.mark.parametrize("out", ["[" * 200_000, '{"ok": true, "api": 1, "x": "' + "x" * 2000 + '"}'])
    def test_what_no_agent_answers_is_no_answer(self, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """It comes from a machine that somebody may have taken over, and goes to the controller."""
        monkeypatch.setattr(embedded, "MOST_CHARACTERS", 1000)
        with pytest.raises(GiveUp, match="one JSON object") as caught:
            Embedded(PARAMS, lambda _command: (0, out, ""), False).snapshots()
        assert len(caught.value.message) < 500


class TestVerbs:
    @pytest.mark.parametrize(
        ("words", "call"),
        [
            ("schedule pause --owner me --reason why", lambda p: p.pause_snapshots("me", "why", None)),
            ("schedule pause --owner me --reason why --for-seconds 5", lambda p: p.pause_snapshots("me", "why", 5)),
            ("schedule resume --owner me", lambda p: p.resume_snapshots("me")),
            (
                "maintenance begin --owner me --reason why --for-seconds 5",
                lambda p: p.begin_maintenance("me", "why", 5, None),
            ),
            (
                "maintenance begin --owner me --reason why --for-seconds 5 --latest-safe-restart 2026-01-31T04:05:06Z",
                lambda p: p.begin_maintenance("me", "why", 5, "2026-01-31T04:05:06Z"),
            ),
            ("maintenance end --owner me", lambda p: p.end_maintenance("me")),
            ("resync --owner me --reason why --policy always", lambda p: p.start_resync("me", "why", "always", None)),
            (
                "resync --owner me --reason why --policy older_than --older-than-days 90",
                lambda p: p.start_resync("me", "why", "older_than", 90),
            ),
            ("resync --cancel r-1", lambda p: p.cancel_resync("r-1")),
            ("operation r-1", lambda p: p.operation("r-1")),
            ("snapshot --name n --owner me", lambda p: p.set_snapshot("n", "present", "me", False)),
            ("snapshot --name n --prove --owner me", lambda p: p.set_snapshot("n", "present", "me", True)),
            ("snapshot --name n --state held --owner me", lambda p: p.set_snapshot("n", "held", "me", True)),
            ("validate --owner me --level counts", lambda p: p.validate("me", "counts")),
            ("ranges", lambda p: p.ranges()),
            ("restore --target /t", lambda p: p.restore(RestoreRequest("/t"))),
            (
                "restore --target /t --at 1:2 --mongod /m --submit --owner me --reason why",
                lambda p: p.restore(RestoreRequest("/t", time="1:2", mongod="/m", owner="me", reason="why")),
            ),
        ],
    )
    def test_command_line(self, agent: Any, words: str, call: Any) -> None:
        """Each verb is exactly one command of the contract."""
        agent.expect(*words.split(), answer={"ok": True, "changed": True})
        assert {"ok": True, "changed": True} == call(Embedded(PARAMS, agent, False))

    @pytest.mark.parametrize(
        ("words", "answer", "call"),
        [
            ("status", {"leases": [], "verdict": "ok"}, lambda p: p.pause_snapshots("me", "why", None)),
            ("status", {"leases": [], "verdict": "ok"}, lambda p: p.resume_snapshots("me")),
            (
                "maintenance begin --owner me --reason why --for-seconds 5 --dry-run",
                {"changed": True},
                lambda p: p.begin_maintenance("me", "why", 5, None),
            ),
            ("status", {"leases": [], "maintenance": None, "verdict": "ok"}, lambda p: p.end_maintenance("me")),
            ("operation r-1", {"operation": None}, lambda p: p.cancel_resync("r-1")),
            ("operation", {"operation": None}, lambda p: p.validate("me", "counts")),
            ("snapshots", {"snapshots": []}, lambda p: p.set_snapshot("n", "absent", "me", False)),
            (
                "resync --owner me --reason why --policy required --dry-run",
                {"needed": False},
                lambda p: p.start_resync("me", "why", "required", None),
            ),
            (
                "restore --target /t --snapshot n --dry-run",
                {"changed": True},
                lambda p: p.restore(RestoreRequest("/t", snapshot="n")),
            ),
        ],
    )
    def test_check_mode_only_reads(self, agent: Any, words: str, answer: dict[str, Any], call: Any) -> None:
        """In check mode a writing verb never reaches the agent."""
        agent.expect(*words.split(), answer={"ok": True, **answer})
        assert "changed" in call(Embedded(PARAMS, agent, True))


class TestErrors:
    @pytest.mark.parametrize(
        ("expected", "exit_code", "code"),
        [
            (GiveUp, 1, "failed"),
            (FixInput, 2, "bad_configuration"),
            (AskOperator, 3, "operation_open"),
            (RetryLater, 4, "agent_down"),
            (RetryLater, 5, "unknown"),
            (GiveUp, 77, "odd"),
        ],
    )
    def test_class_by_exit_code(self, agent: Any, expected: type[BackupError], exit_code: int, code: str) -> None:
        """The caller learns what to do next, in the agent's own words."""
        agent.expect("snapshots", answer=refusal(code), code=exit_code)
        with pytest.raises(expected) as caught:
            Embedded(PARAMS, agent, False).snapshots()
        assert (code, f"{code}: do this") == (caught.value.code, caught.value.message)
        assert {"exit_code": exit_code, "id": "r-1"} == caught.value.details

    def test_bad_verdict_is_an_answer(self, agent: Any) -> None:
        """Status exits with 1 when the verdict is critical, and that is what was asked."""
        agent.expect("status", answer={"ok": True, "verdict": "critical"}, code=1)
        assert "critical" == Embedded(PARAMS, agent, False).status()["verdict"]

    def test_daemon_down_is_an_error(self, agent: Any) -> None:
        """Nothing was measured then."""
        agent.expect("status", answer=refusal("agent_down"), code=4)
        with pytest.raises(RetryLater):
            Embedded(PARAMS, agent, False).status()

    def test_no_eligible_source_is_an_answer(self, agent: Any) -> None:
        """Why no member is eligible stands in the list of members."""
        agent.expect("sources", answer={**refusal("refused"), "members": [], "chosen": None}, code=3)
        assert [] == Embedded(PARAMS, agent, False).sources()["members"]

    @pytest.mark.parametrize("out", ["", "Traceback", "[1]", '{"ok": tr'])
    def test_anything_but_an_object(self, agent: Any, out: str) -> None:
        """Another program of that name, or a crash, is told from an answer."""
        agent.expect("snapshots", answer=out, code=1, err="first\nModuleNotFoundError: zstandard\n")
        with pytest.raises(GiveUp, match="exit code 1 and: ModuleNotFoundError: zstandard") as caught:
            Embedded(PARAMS, agent, False).snapshots()
        assert "not_json" == caught.value.code

    @pytest.mark.parametrize("what", ["command 'snapshots'", "option: --json"])
    def test_an_agent_of_before(self, agent: Any, what: str) -> None:
        """One that does not know what it is told is too old; that is not a crash."""
        agent.expect("snapshots", answer="", code=2, err=f"Usage: backup-agent …\n\nError: No such {what}\n")
        with pytest.raises(FixInput, match=r"the command snapshots .* older than the collection; upgrade") as caught:
            Embedded(PARAMS, agent, False).snapshots()
        assert "agent_too_old" == caught.value.code

    def test_success_without_ok(self, agent: Any) -> None:
        """An object that does not say ok is not taken for a success."""
        agent.expect("snapshots", answer={"snapshots": []})
        with pytest.raises(GiveUp, match="without a message"):
            Embedded(PARAMS, agent, False).snapshots()

    def test_missing_command(self) -> None:
        """A host without the agent is told so, with what to do."""

        def missing(_command: list[str]) -> tuple[int, str, str]:
            raise FileNotFoundError(2, "No such file or directory")

        with pytest.raises(
            FixInput, match="Expected backup-agent to run, found No such file or directory; set agent_command"
        ):
            Embedded(PARAMS, missing, False).status()
