# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following an operation: the decisions."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.follow import (
    Shown,
    ending,
    is_outage,
    lines,
    shown_before,
    up_to,
)


def operation(percent: float | None = None, phase: str = "copy", state: str = "running", **more: Any) -> dict[str, Any]:
    """Return a resync in its step sync."""
    progress = {"step": "sync", "phase": phase, "percent": percent, "text": f"shop.orders {percent}"}
    return {"id": "r-1", "kind": "resync", "state": state, "step": "sync", "steps": [], "progress": progress, **more}


def printed(answers: list[tuple[float, dict[str, Any]]], terminal: bool = False) -> list[str]:
    """Return everything that is printed for answers at these times."""
    shown, said = Shown(), []
    for now, answer in answers:
        new, shown = lines(answer, shown, now, terminal)
        said.extend(new)
    return said


class TestLines:
    def test_without_a_terminal_each_5_percent(self) -> None:
        """A log of a fast copy has about twenty lines, however often it was asked about."""
        assert 20 <= len(printed([(0.1 * n, operation(n / 10)) for n in range(1001)])) <= 21

    def test_without_a_terminal_each_minute(self) -> None:
        """A log of a slow copy has a line a minute, so that nobody takes it for dead."""
        assert 10 == len(printed([(float(n), operation(n / 1000)) for n in range(600)]))

    def test_on_a_terminal_each_change(self) -> None:
        """Who watches sees every change, and nothing where nothing changed."""
        said = printed([(0, operation(1)), (1, operation(1)), (2, operation(2))], terminal=True)
        assert ["sync, copy: 1 % – shop.orders 1", "sync, copy: 2 % – shop.orders 2"] == said

    def test_never_goes_back(self) -> None:
        """A smaller number than before would look as if work had been lost."""
        said = printed([(0, operation(50)), (61, operation(40)), (122, operation(60))])
        assert ["50 %", "50 %", "60 %"] == [line.split(": ")[1].split(" –")[0] for line in said]

    def test_new_phase_starts_again(self) -> None:
        """Progress is per phase."""
        said = printed([(0, operation(100)), (1, operation(0, phase="indexes"))])
        assert "sync, indexes: 0 % – shop.orders 0" == said[-1]

    def test_every_step_that_ended_is_said_once(self) -> None:
        """A step that was over between two answers is not passed over in silence."""
        steps = [
            {"name": "preflight", "state": "done", "note": "12 GB"},
            {"name": "pause", "state": "done", "note": None},
        ]
        answers = [
            (0.0, operation(1, steps=steps[:1])),
            (1.0, operation(1, steps=steps)),
            (2.0, operation(1, steps=steps)),
        ]
        assert ["preflight: done (12 GB)", "pause: done"] == [line for line in printed(answers) if "sync" not in line]

    def test_a_task_shows_its_own_stage_only(self) -> None:
        """What the task before has shown is not shown again, and what comes later is left to the task after."""
        names = ("preflight", "pause", "sync", "validate")
        answer = operation(1, steps=[{"name": name, "state": "done", "note": None} for name in names])
        said = lines(up_to(answer, "sync"), shown_before(answer, "pause"), 0.0, terminal=True)[0]
        assert ["sync: done"] == said[:1]
        assert not [line for line in said if line.startswith(("preflight", "pause", "validate"))]
        assert answer == up_to(answer, None)

    def test_without_progress(self) -> None:
        """An operation that has not begun has nothing to show."""
        assert [] == printed([(0, {**operation(), "state": "queued", "progress": None})])

    def test_estimate(self) -> None:
        """An estimate is shown unless the agent's own words hold it."""
        progress = {"step": "sync", "phase": "copy", "percent": None, "text": None, "eta_seconds": 90}
        assert ["sync, copy, about 1 min 30 s left"] == printed([(0, operation(progress=progress))])

    def test_ended_operation_has_no_progress(self) -> None:
        """After the end only its steps are worth a line."""
        steps = [{"name": "prove", "state": "done"}]
        assert ["prove: done"] == printed([(0, operation(99, state="done", steps=steps))], terminal=True)


class TestEnding:
    STEPS = [{"name": "sync", "state": "done"}, {"name": "validate", "state": "running"}]  # noqa: RUF012

    @pytest.mark.parametrize(
        ("expected", "state", "until_step"),
        [
            (None, "running", None),
            (None, "queued", None),
            ("", "running", "sync"),
            (None, "running", "validate"),
            ("", "done", None),
            ("", "done", "validate"),
        ],
    )
    def test_stop(self, expected: str | None, state: str, until_step: str | None) -> None:
        """It goes on until the step or the operation is over, whichever comes first."""
        assert expected == ending(operation(state=state, steps=self.STEPS), until_step)

    def test_failed(self) -> None:
        """The one line of the agent is what the operator reads."""
        failed = operation(state="failed", error={"message": "expected room, found none; free some"})
        assert "resync r-1 failed in step sync: expected room, found none; free some" == ending(failed, "sync")

    def test_canceled(self) -> None:
        """What was canceled has not done what the task waits for."""
        assert "resync r-1 was canceled" in (ending(operation(state="canceled"), None) or "")

    def test_unknown_step(self) -> None:
        """A step that never comes would be waited for to the end."""
        assert "(sync, validate), found prooove" in (ending(operation(steps=self.STEPS), "prooove") or "")

    def test_nothing_to_follow(self) -> None:
        """A job without an operation is not a success."""
        assert "found none" in (ending(None, None) or "")


class TestIsOutage:
    @pytest.mark.parametrize(
        ("expected", "result"),
        [
            (True, {"unreachable": True}),
            (True, {"failed": True, "error": {"retry": True}}),
            (True, {"failed": True, "module_stdout": "", "module_stderr": "Shared connection closed", "rc": 255}),
            (False, {"failed": True, "error": {"retry": False}}),
            (False, {"failed": True, "module_stdout": "", "module_stderr": "Traceback (most recent call last)"}),
            (False, {"failed": True, "msg": "missing required arguments"}),
            (False, {"operation": None}),
        ],
    )
    def test_tells_silence_from_an_answer(self, expected: bool, result: dict[str, Any]) -> None:
        """A refusal or a broken module must not be waited for ten minutes."""
        assert expected is is_outage(result)
