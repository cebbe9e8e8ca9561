# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of a job in the playbook resync, from the answers of its modules. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..module_utils.printable import name
from .text import time_between

#: The result of a task, or a part of one.
Answer = Mapping[str, Any]
Outcome = dict[str, Any]

_OPEN = ("queued", "running")


def planned(answer: Answer, job: str, machine: str, again: str, now: datetime) -> Outcome:
    """Return what the answer to a dry run means for the job. `again` is the command that runs the playbook again for it."""
    found = _judged(answer, machine, again, now)
    return {"job": job, "operation": "", "report": "", **found, "why": _without_stop(found["why"])}


def _judged(answer: Answer, machine: str, again: str, now: datetime) -> Outcome:
    if answer.get("unreachable"):
        then = f"make {machine} reachable, then {again}"
        return _outcome("unreachable", "preflight", answer.get("msg", "no connection"), then)
    if answer.get("needed") is None:
        why = answer.get("msg", "the module gave no reason; run it with -vvv")
        return _outcome("refused", "preflight", why, f"{again} once that is settled")
    found = answer.get("operation") or {}
    if found and answer.get("attached"):
        why = f"operation {found['id']} of {found['owner']} is open"
        return {**_outcome("attached", found["step"], why), "operation": found["id"]}
    if found and (answer["needed"] or found["kind"] == "resync"):
        age = time_between(found["created_at"], now.isoformat())
        what = f"{found['kind']} {found['id']} of {found['owner']}, {age} old ({found['reason']})"
        return _outcome(
            "refused", "preflight", f"expected no open operation, found {what}", f"{again} when it has ended"
        )
    if answer["needed"]:
        return _outcome("planned", "preflight", answer["why"])
    return _outcome("not needed", "", answer["why"])


def _outcome(result: str, step: object, why: object, then: str = "") -> Outcome:
    """What a machine says is text here, whatever it is: the summary is made of the outcomes of all jobs."""
    return {"result": result, "step": str(step), "why": str(why), "next": then}


def _without_stop(text: str) -> str:
    """Return a sentence that goes on."""
    return text[:-1] if text.endswith(".") else text


def report_name(record: Answer) -> str:
    """Return the name that an operation's reports have here, which is its id, or nothing where its agent wrote no report.

    Raises GiveUp for an id that is no name of a file.
    """
    reported_there = (record.get("result") or {}).get("report")
    return name(record.get("id"), "the id of an operation") if reported_there else ""


def failed(answer: Answer, before: Outcome, task: str, started: Answer, again: str, undo: str) -> dict[str, Any]:
    """Return the outcome of a job of which a task has failed, and the lines that say so.

    `answer` is the result of the task, `before` the outcome so far, and `started` the result of the task that started the
    operation. `undo` is the command that cancels the operation whose id comes behind it.
    """
    operation = answer.get("operation") or {}
    details = (answer.get("error") or {}).get("details") or {}
    begun = before["operation"] or operation.get("id") or details.get("operation_id") or ""
    # The last answer counts, also when it says that nothing is left. The answer of the start counts only without a later one.
    seen = (operation, details, started.get("operation") or {})
    left: Sequence[str] = next((found["left_behind"] for found in seen if "left_behind" in found), [])
    if left:
        then = f"goes on with it; {undo}{begun} puts everything back"
    elif before["operation"] and operation.get("state", "running") in _OPEN:
        then = "attaches to the operation, which goes on by itself"
    else:
        then = "once that is settled; the backup that was there is untouched"
    why = _without_stop(str(answer.get("msg", "no reason was given")))
    found = _outcome("failed", operation.get("step") or task, why, f"{again} {then}")
    kept = [f"left as it is – {'; '.join(left)}"] if left else []
    lines = [f"{before['job']} – failed in {found['step']}", why, *kept, f"next {found['next']}"]
    return {"outcome": {**before, **found, "operation": begun}, "lines": lines}


def reported(
    record: Answer, before: Outcome, job: str, operation: str, lag: Answer, proven: Answer, page: str
) -> Outcome:
    """Return the outcome of a job with what its operation has brought. `record` is that operation.

    `lag` is the result of backup_lag_info, `proven` that of a proof which was no part of the operation, and `page` the report on
    the controller. Without an outcome so far it is what the last resync was.
    """
    result = record.get("result") or {}
    validation = result.get("validation") or {}
    proof = result.get("proof") or (proven.get("snapshot") or {}).get("proof") or {}
    taken = result.get("snapshot") or ""
    last = (lag.get("status") or {}).get("last_resync") or {}
    return {
        **(before or _last(record, job)),
        "operation": operation,
        "verdict": lag["verdict"],
        "last_resync_at": last.get("finished_at", ""),
        "source": result.get("source") or "",
        "documents_copied": result.get("documents_copied"),
        "bytes_copied": result.get("bytes_copied"),
        "collections_compared": validation.get("compared"),
        "equal": validation.get("equal"),
        "snapshot": taken["name"] if isinstance(taken, Mapping) else taken,
        "proven": proof.get("equal"),
        "report": page,
    }


def _last(record: Answer, job: str) -> Outcome:
    why = (record.get("error") or {}).get("message", "")
    return {"job": job, **_outcome(record.get("state", "never"), "", why)}
