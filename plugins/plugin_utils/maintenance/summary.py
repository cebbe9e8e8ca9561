# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of all jobs of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: What became of a job: its result, why, and what to do next.
Outcome = Mapping[str, Any]

_NOT_BACK = ("failed", "lost")
_SKIPPED: Outcome = {"result": "not done", "why": "was not restarted, because a job before it did not come back"}
_SILENT: Outcome = {"result": "failed", "why": "its machine does not answer any more, see above"}
_FAILED_BEFORE: Outcome = {"result": "refused", "why": "a job that failed above", "forceable": False}


def lines(outcomes: Mapping[str, Outcome | None], reached: Sequence[str]) -> list[str]:
    """Return a line for each job, and what is to be done next; `reached` are those that a restart has looked at."""
    found = {name: outcome or (_SKIPPED if name in reached else _SILENT) for name, outcome in outcomes.items()}
    width = max([3, *map(len, found)])
    table = [("JOB", "RESULT", ""), *((name, _word(one["result"]), one["why"]) for name, one in found.items())]
    return [
        *(f"{name:{width}}  {result:8}  {why}".rstrip() for name, result, why in table),
        *(f"{name} – next {one['next']}" for name, one in found.items() if one.get("next")),
    ]


def _word(result: str) -> str:
    return "LOST" if result == "lost" else result


def results(outcomes: Mapping[str, Outcome | None]) -> dict[str, str]:
    """Return the result of each job."""
    return {name: (outcome or _SKIPPED)["result"] for name, outcome in outcomes.items()}


def refusal(outcomes: Mapping[str, Outcome | None], minutes: float) -> str:
    """Return why nothing is done for any job; empty where all may be maintained. A job without an outcome has failed before."""
    found = [outcome or _FAILED_BEFORE for outcome in outcomes.values()]
    refused = [outcome for outcome in found if outcome["result"] == "refused"]
    if not refused:
        return ""
    # Against anything else neither less time nor force helps; what does, each reason says itself.
    advice = ". Plan less time or wait; or say -e maintenance_force=true where a resync afterwards is acceptable"
    return (
        f"expected that every job can bear {minutes:g} min, found: {'; '.join(one['why'] for one in refused)}; nothing was "
        f"changed{advice if all(one['forceable'] for one in refused) else ''}"
    )


def all_are_back(outcomes: Mapping[str, Outcome | None]) -> bool:
    """Whether no job so far has failed or is lost."""
    return not any(outcome and outcome["result"] in _NOT_BACK for outcome in outcomes.values())
