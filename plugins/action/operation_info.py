# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of operation_info: asks again and again, and shows the progress."""

from __future__ import annotations

import os
import time
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.arguments import FOLLOWING
from ..module_utils.printable import printable
from ..plugin_utils.follow import Shown, ending, is_outage, lines, shown_before, up_to
from ..plugin_utils.text import duration

MODULE = "mongodb_ops.backup.operation_info"
WRITER = "mongodb_ops.backup.resync"

display = Display()


class ActionModule(ActionBase):
    """Runs the module once, or with follow until the operation has ended."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        options = self._options()
        if not options["follow"] or self._task.check_mode:
            return self.ask(options["operation"], task_vars or {})
        return Following(self, options, task_vars or {}).result()

    def ask(self, operation: str | None, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module once."""
        named = {} if operation is None else {"operation": operation}
        arguments = {**self._task.args, **named}
        return dict(self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars))

    def carry_on(self, operation: str, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Send the request that the operation waits for."""
        place = {name: value for name, value in self._task.args.items() if name not in FOLLOWING}
        arguments = {**place, "state": "continued", "operation": operation}
        return dict(self._execute_module(module_name=WRITER, module_args=arguments, task_vars=task_vars))

    def reconnect(self) -> None:
        """Forget the connection and what was left on the host: after an outage neither may be there any more."""
        self._connection._shell.tmpdir = None
        reset = getattr(self._connection, "reset", None)
        try:
            if reset is not None:
                reset()
        except (AnsibleError, OSError) as error:
            display.vvv(f"could not reset the connection, which the next request will show: {error}")

    def _options(self) -> dict[str, Any]:
        given = {name: value for name, value in self._task.args.items() if name in FOLLOWING}
        validated = ArgumentSpecValidator(FOLLOWING).validate(given)
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        options: dict[str, Any] = validated.validated_parameters
        for needs_follow in ("until_step", "carry_on"):
            if options[needs_follow] and not options["follow"]:
                expected = f"follow=true together with {needs_follow}"
                raise AnsibleActionFail(f"Expected {expected}, found follow=false; set follow.")
        return options


class Following:
    """One task that follows one operation."""

    def __init__(self, action: ActionModule, options: dict[str, Any], task_vars: dict[str, Any]) -> None:
        self._action = action
        self._options = options
        self._variables = task_vars
        self._host = task_vars.get("inventory_hostname", "job")
        self._terminal = _on_terminal()
        self._operation = options["operation"]
        self._shown: Shown | None = None
        self._silent_since: float | None = None
        #: The operation as it was seen last, and whether it waits for a request of ours.
        self._last: dict[str, Any] | None = None
        self._due = False
        self._began = time.monotonic()

    def result(self) -> dict[str, Any]:
        """Ask until there is something to return."""
        while True:
            result = self._request()
            finished = self._bear(result) if is_outage(result) else self._look_at(result)
            if finished is not None:
                return {**finished, "followed_seconds": round(self._elapsed(), 1)}
            if not self._due:
                time.sleep(self._pause())

    def _pause(self) -> float:
        asked = (self._last or {}).get("ask_again_seconds") or 0.0
        return float(max(self._options["poll_seconds"], asked))

    def _request(self) -> dict[str, Any]:
        due, self._due = self._due, False
        try:
            if due:
                return self._action.carry_on(self._operation, self._variables)
            return self._action.ask(self._operation, self._variables)
        except AnsibleConnectionFailure as error:
            return {"unreachable": True, "msg": str(error)}

    def _bear(self, result: dict[str, Any]) -> dict[str, Any] | None:
        """Wait out an outage; return the last result when it lasts too long."""
        now, grace = time.monotonic(), self._options["unreachable_grace_seconds"]
        self._note_left_behind(result)
        if self._silent_since is None:
            self._silent_since = now
            goes_on = "" if (self._last or {}).get("left_behind") else ", and the operation goes on meanwhile"
            self._say(f"no answer{goes_on}; asking again for up to {duration(grace)}")
        waited = now - self._silent_since
        if waited < grace:
            self._action.reconnect()
            return self._timed_out({})
        hint = "The operation does not depend on this: follow it again once the host answers."
        if (self._last or {}).get("left_behind"):
            hint = "The operation waits meanwhile: go on with it once there is an answer."
        return {**result, "msg": f"No answer for {duration(waited)}: {result.get('msg')} {hint}", **self._seen()}

    def _note_left_behind(self, result: dict[str, Any]) -> None:
        """Keep what a request without an answer may have left: those that follow it know less."""
        error = result.get("error")
        left = (error.get("details") or {}).get("left_behind") if isinstance(error, dict) else None
        if left and self._last is not None:
            self._last = {**self._last, "left_behind": left}

    def _seen(self) -> dict[str, Any]:
        """Return the operation as it was seen last; nothing where it never was."""
        return {} if self._last is None else {"operation": self._last}

    def _look_at(self, result: dict[str, Any]) -> dict[str, Any] | None:
        """Show what is new in an answer; return it when there is nothing more to wait for."""
        if result.get("failed"):
            return result
        if self._silent_since is not None:
            self._say("answers again")
        self._silent_since = None
        operation = result["operation"]
        wrong = ending(operation, self._options["until_step"])
        self._last = operation
        if operation is not None:
            self._operation = operation["id"]
            self._due = self._options["carry_on"] and bool(operation.get("next_write"))
            before = self._shown or shown_before(operation, self._options["after_step"])
            mine = up_to(operation, self._options["until_step"])
            texts, self._shown = lines(mine, before, time.monotonic(), self._terminal)
            for text in texts:
                self._say(text)
        if wrong:
            return {**result, "failed": True, "msg": wrong}
        return self._timed_out(result) if wrong is None else result

    def _timed_out(self, result: dict[str, Any]) -> dict[str, Any] | None:
        limit = self._options["follow_timeout_seconds"]
        if not limit or self._elapsed() < limit:
            return None
        text = (
            f"Expected the operation to end within {duration(limit)}, found it still open; it goes on: follow it again."
        )
        return {**result, "failed": True, "msg": text}

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _say(self, text: str) -> None:
        display.display(f"[{self._host}] {printable(text)}")


def _on_terminal() -> bool:
    """Tell whether people watch. A worker has no standard output of its own, so look at that of its parent."""
    try:
        return os.readlink(f"/proc/{os.getppid()}/fd/1").startswith(("/dev/pts/", "/dev/tty"))
    except OSError:
        return False
