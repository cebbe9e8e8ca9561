# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The embedded provider: every verb is one call of `backup-agent … --json` (docs/agent-cli.md is the contract)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from ..errors import AskOperator, BackupError, FixInput, GiveUp, RetryLater, sentence
from ..values import Answer
from . import prediction
from .base import Facts, RestoreRequest, Runner

#: The version of the agent's command line that this collection speaks; the one before it is accepted as well.
API = 1

FACTS = Facts(
    name="embedded",
    can_report_status=True,
    can_pause_snapshots=True,
    can_record_maintenance=True,
    can_start_resync=True,
    can_cancel_resync=True,
    can_choose_source=True,
    can_explain_source=True,
    can_take_snapshot=True,
    can_hold_snapshot=True,
    can_prove_snapshot=True,
    can_validate=True,
    can_restore=True,
    can_restore_point_in_time=True,
    keeps_snapshots_on_resync=True,
    lease_expires_by_itself=True,
    reports_progress=True,
    reports_lag=True,
    runs_agents=True,
)

#: More than an agent ever answers: what it has stored comes back here.
MOST_CHARACTERS = 64 * 1024 * 1024
_LAST = 10_000

_FAILED, _WRONG_INPUT, _REFUSED, _AGENT_DOWN, _UNKNOWN = 1, 2, 3, 4, 5
#: How the command line says that it does not know a command or an option.
_NOT_KNOWN = ("No such command", "No such option")

_CLASSES: Mapping[int, type[BackupError]] = {
    _FAILED: GiveUp,
    _WRONG_INPUT: FixInput,
    _REFUSED: AskOperator,
    _AGENT_DOWN: RetryLater,
    _UNKNOWN: RetryLater,
}


class Embedded:
    """The agent of one job, reached through its command line on the machine that the module runs on."""

    facts = FACTS

    def __init__(self, params: Mapping[str, Any], runner: Runner, check_mode: bool) -> None:
        config = params.get("agent_config")
        self._command = [*shlex.split(params["agent_command"]), *(["--config", str(config)] if config else [])]
        self._run = runner
        self._compatible = False
        self.check_mode = check_mode

    def status(self) -> Answer:
        # The exit code repeats the verdict; a bad verdict is an answer and not an error.
        return self._ask("status", answered_by="verdict")

    def sources(self) -> Answer:
        return self._ask("sources", answered_by="members")

    def pause_snapshots(self, owner: str, reason: str, for_seconds: int | None) -> Answer:
        if self.check_mode:
            return prediction.paused(self.status(), owner, reason, for_seconds)
        return self._ask("schedule", "pause", *_given(owner=owner, reason=reason, for_seconds=for_seconds))

    def resume_snapshots(self, owner: str) -> Answer:
        if self.check_mode:
            return prediction.resumed(self.status(), owner)
        return self._ask("schedule", "resume", "--owner", owner)

    def begin_maintenance(self, owner: str, reason: str, for_seconds: int, latest_safe_restart: str | None) -> Answer:
        given = _given(owner=owner, reason=reason, for_seconds=for_seconds, latest_safe_restart=latest_safe_restart)
        # An agent that does not know --dry-run yet is an error: nobody guesses what it would do.
        return self._ask("maintenance", "begin", *given, *self._dry)

    def end_maintenance(self, owner: str) -> Answer:
        if not self.check_mode:
            return self._ask("maintenance", "end", "--owner", owner)
        status = self.status()
        if "maintenance" not in status:
            raise _too_old("maintenance")
        return prediction.maintenance_ended(status, owner)

    def start_resync(self, owner: str, reason: str, policy: str, older_than_days: int | None) -> Answer:
        given = _given(owner=owner, reason=reason, policy=policy, older_than_days=older_than_days)
        answer = self._ask("resync", *given, *self._dry)
        return prediction.resync_started(answer) if self.check_mode else answer

    def cancel_resync(self, operation: str) -> Answer:
        if self.check_mode:
            return prediction.canceled(self.operation(operation))
        return self._ask("resync", "--cancel", operation)

    def continue_operation(self, operation: str) -> Answer:
        # The agent goes on by itself.
        return {"changed": False, **self.operation(operation)}

    def operation(self, operation: str | None) -> Answer:
        named = [] if operation is None else [operation]
        return self._ask("operation", *named, answered_by="operation")

    def snapshots(self) -> Answer:
        return self._ask("snapshots")

    def set_snapshot(self, name: str, state: str, owner: str, prove: bool) -> Answer:
        if self.check_mode:
            return prediction.snapshot_set(self.snapshots()["snapshots"], name, state)
        wanted = (["--prove"] if prove else []) if state == "present" else ["--state", state]
        return self._ask("snapshot", "--name", name, *wanted, "--owner", owner)

    def validate(self, owner: str, level: str) -> Answer:
        if self.check_mode:
            return prediction.validation_started(self.operation(None), owner)
        return self._ask("validate", "--owner", owner, "--level", level)

    def ranges(self) -> Answer:
        return self._ask("ranges")

    def restore(self, request: RestoreRequest) -> Answer:
        given = _given(
            target=request.target,
            snapshot=request.snapshot,
            at=request.time,
            repository=request.repository,
            password_file=request.password_file,
            job=request.job,
            mongod=request.mongod,
            restic=request.restic,
        )
        submit = (
            [] if request.owner is None else ["--submit", *_given(owner=request.owner, reason=request.reason or None)]
        )
        return self._ask("restore", *given, *submit, *self._dry)

    @property
    def _dry(self) -> list[str]:
        return ["--dry-run"] if self.check_mode else []

    def _ask(self, *words: str, answered_by: str | None = None) -> Answer:
        self._check_compatible()
        return self._call(words, answered_by)

    def _check_compatible(self) -> None:
        if self._compatible:
            return
        found = self._call(("version",), None).get("api")
        if found not in (API, API - 1):
            side = "upgrade the collection" if isinstance(found, int) and found > API else "upgrade the agent"
            expected = f"an agent that speaks api {API} or {API - 1}"
            message = sentence(expected=expected, found=f"api {found}", remedy=f"{side} on this host")
            raise FixInput(message, code="incompatible_api")
        self._compatible = True

    def _call(self, words: tuple[str, ...], answered_by: str | None) -> Answer:
        """Run one command; an answer that holds the value asked for counts, whatever the exit code says about it."""
        command = [*self._command, *words, "--json"]
        try:
            code, out, err = self._run(command)
        except OSError as error:
            raise _not_runnable(self._command[0], error) from error
        if code == _WRONG_INPUT and any(known in err for known in _NOT_KNOWN):
            raise _too_old(words[0])
        answer = _parse(out, words[0], code, err)
        if answer.get("ok") is True and (code == 0 or answered_by is None):
            return answer
        if answered_by is not None and answer.get(answered_by) is not None:
            return answer
        raise _error(answer, code, words[0])


def _given(**options: object) -> list[str]:
    """Return the words of the options that have a value."""
    named = {f"--{name.replace('_', '-')}": str(value) for name, value in options.items() if value is not None}
    return [word for option in named.items() for word in option]


def _not_runnable(command: str, error: OSError) -> FixInput:
    found = error.strerror or type(error).__name__
    remedy = "set agent_command to the path of backup-agent, or apply the role backup_agent to this host"
    return FixInput(sentence(expected=f"{command} to run", found=found, remedy=remedy), code="agent_not_installed")


def _too_old(word: str) -> FixInput:
    """Return the error of an agent that was made before a command, or an option of it, that is called here."""
    expected = f"an agent that knows the command {word} as this collection calls it"
    remedy = "upgrade the agent on this host first, with the playbook mongodb_ops.backup.provision"
    message = sentence(expected=expected, found="one that is older than the collection", remedy=remedy)
    return FixInput(message, code="agent_too_old")


def _parse(out: str, word: str, code: int, err: str) -> Answer:
    try:
        answer = json.loads(out) if len(out) <= MOST_CHARACTERS else None
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        return answer
    # The last line of standard error is where a traceback or a shell says what went wrong.
    last = (err[-_LAST:].strip() or out[-_LAST:].strip() or "nothing").splitlines()[-1][:200]
    remedy = "check that agent_command names backup-agent, and run it by hand"
    message = sentence(
        expected=f"one JSON object from backup-agent {word}", found=f"exit code {code} and: {last}", remedy=remedy
    )
    raise GiveUp(message, code="not_json", details={"exit_code": code})


def _error(answer: Answer, code: int, word: str) -> BackupError:
    described = answer.get("error")
    error = described if isinstance(described, dict) else {}
    fallback = sentence(
        expected=f"backup-agent {word} to succeed or to explain itself",
        found=f"exit code {code} without a message",
        remedy="see the log of the agent",
    )
    details = {"exit_code": code, **(error.get("details") or {})}
    raised = _CLASSES.get(code, GiveUp)
    return raised(str(error.get("message") or fallback), code=str(error.get("code") or "failed"), details=details)
