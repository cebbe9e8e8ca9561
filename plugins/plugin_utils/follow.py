# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Following an operation: what to print now, and whether to go on. Pure; runs on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .text import duration

#: Without a terminal, a line is printed when this much time or this much of a phase has gone by.
LINE_SECONDS, LINE_PERCENT = 60.0, 5.0

_ENDED = ("done", "failed", "canceled")


@dataclass(frozen=True)
class Shown:
    """What has been printed so far."""

    ended_steps: tuple[str, ...] = ()
    phase: tuple[str, str] = ("", "")
    #: The greatest percentage seen in this phase, and the one of the last line.
    percent: float = 0.0
    printed_percent: float = 0.0
    printed_at: float = float("-inf")
    printed_text: str = ""


def shown_before(operation: Mapping[str, Any], after_step: str | None) -> Shown:
    """Return what an earlier task has printed that followed the operation up to and including a step."""
    names = [step["name"] for step in operation.get("steps") or []]
    return Shown(tuple(names[: names.index(after_step) + 1]) if after_step in names else ())


def up_to(operation: Mapping[str, Any], until_step: str | None) -> Mapping[str, Any]:
    """Return the operation without what comes after a step: the next task shows that."""
    steps = operation.get("steps") or []
    names = [step["name"] for step in steps]
    if until_step not in names:
        return operation
    mine = names[: names.index(until_step) + 1]
    progress = operation.get("progress") or {}
    return {**operation, "steps": steps[: len(mine)], "progress": progress if progress.get("step") in mine else None}


def lines(operation: Mapping[str, Any], shown: Shown, now: float, terminal: bool) -> tuple[list[str], Shown]:
    """Return the lines to print now, and what will have been printed after them."""
    ended, shown = _ended_lines(operation, shown)
    current, shown = _current_line(operation.get("progress") or {}, shown, now, terminal)
    is_over = operation["state"] in _ENDED
    return [*ended, *([] if current is None or is_over else [current])], shown


def _ended_lines(operation: Mapping[str, Any], shown: Shown) -> tuple[list[str], Shown]:
    new = [
        step
        for step in operation.get("steps") or []
        if step["state"] in _ENDED and step["name"] not in shown.ended_steps
    ]
    texts = [f"{step['name']}: {step['state']}{_note(step)}" for step in new]
    return texts, replace(shown, ended_steps=(*shown.ended_steps, *(step["name"] for step in new)))


def _note(step: Mapping[str, Any]) -> str:
    return f" ({step['note']})" if step.get("note") else ""


def _current_line(progress: Mapping[str, Any], shown: Shown, now: float, terminal: bool) -> tuple[str | None, Shown]:
    phase = (progress.get("step") or "", progress.get("phase") or "")
    if not any(phase):
        return None, shown
    if phase != shown.phase:
        shown = replace(shown, phase=phase, percent=0.0, printed_percent=0.0, printed_at=float("-inf"), printed_text="")
    # A report that arrives late or an estimate that grew must not make the operator believe that work was lost.
    shown = replace(shown, percent=max(shown.percent, float(progress.get("percent") or 0.0)))
    text = _describe(progress, shown.percent)
    if not _due(text, shown, now, terminal):
        return None, shown
    return text, replace(shown, printed_percent=shown.percent, printed_at=now, printed_text=text)


def _due(text: str, shown: Shown, now: float, terminal: bool) -> bool:
    if terminal:
        return text != shown.printed_text
    return now - shown.printed_at >= LINE_SECONDS or shown.percent - shown.printed_percent >= LINE_PERCENT


def _describe(progress: Mapping[str, Any], percent: float) -> str:
    place = ", ".join(part for part in (progress.get("step"), progress.get("phase")) if part)
    measured = f" {percent:.0f} %" if progress.get("percent") is not None else ""
    text = f"{' –' if measured else ''} {progress['text']}" if progress.get("text") else ""
    eta = progress.get("eta_seconds")
    left = f", about {duration(eta)} left" if eta is not None and "left" not in text else ""
    return f"{place}:{measured}{text}{left}" if measured or text else f"{place}{left}"


def ending(operation: Mapping[str, Any] | None, until_step: str | None) -> str | None:
    """Return what is wrong when there is nothing more to follow, which is empty when all is well; None while it goes on."""
    if operation is None:
        return "Expected an operation to follow, found none on this job; start one first, or give its id in operation."
    state = operation["state"]
    if state in ("failed", "canceled"):
        return _ended_badly(operation)
    states = {step["name"]: step["state"] for step in operation.get("steps") or []}
    if until_step and states and until_step not in states:
        known = ", ".join(states)
        return f"Expected until_step to be a step of this {operation['kind']} ({known}), found {until_step}."
    return "" if state == "done" or (until_step and states.get(until_step) == "done") else None


def _ended_badly(operation: Mapping[str, Any]) -> str:
    named = f"{operation['kind']} {operation['id']}"
    if operation["state"] == "canceled":
        return f"{named} was canceled; start it again when it is wanted."
    error = operation.get("error") or {}
    return f"{named} failed in step {operation.get('step')}: {error.get('message') or 'no reason was given'}"


def is_outage(result: Mapping[str, Any]) -> bool:
    """Whether the result of a module says that nobody answered, as opposed to an answer that says no."""
    if result.get("unreachable"):
        return True
    if not result.get("failed"):
        return False
    error = result.get("error")
    if isinstance(error, Mapping):
        return bool(error.get("retry"))
    # A connection that broke while the module ran leaves nothing behind; a broken module leaves a traceback.
    return (
        "module_stdout" in result
        and not result["module_stdout"]
        and "Traceback" not in str(result.get("module_stderr"))
    )
