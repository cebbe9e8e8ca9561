# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks are about to do with a job, as they say it, and what the job's outcome is then. Pure."""

from __future__ import annotations

from typing import Any

from .judgement import Judgement
from .request import Answers, Request, reason_of

Outcome = dict[str, Any]

_NO_AGENTS = "backup_vendor_agents names none"


def begin(request: Request, answers: Answers, found: Judgement) -> Outcome:
    """Return the outcome of a job whose maintenance is planned or refused.

    Beside `job`, `result`, `why` and `next` it has the `lines` of the plan, `forceable`, `renewed`, `latest` (by when the agents
    have to run again), `agents`, the `reason` to record, and `begun`: what the outcome is when it has begun.
    """
    forced = f" (forced, although {'; '.join(found.forced)})" if found.forced else ""
    return {
        **_outcome(request, found),
        "lines": [f"{request.job} cannot be maintained now – {found.why}"]
        if found.refused
        else _begin_lines(request, answers, found),
        "forceable": not found.never,
        "renewed": found.renewed,
        "latest": found.latest or "",
        "reason": request.reason + forced,
        "begun": _begun(request, answers, found),
    }


def _outcome(request: Request, found: Judgement) -> Outcome:
    result = "refused" if found.refused else "planned"
    return {"job": request.job, "result": result, "why": found.why, "next": "", "agents": list(request.touched)}


def _begin_lines(request: Request, answers: Answers, found: Judgement) -> list[str]:
    pause = (
        "snapshots are paused"
        if answers.fact("can_pause_snapshots")
        else "alerts are muted"
        if answers.fact("mutes_alerts")
        else "snapshots go on"
    )
    minutes = f"for {request.minutes:g} min and a margin of {request.margin_minutes:g} min"
    lines = [
        *_forced(found),
        f"{request.job} – {_stopped(request, answers)}, {pause}, {minutes}{' (renewed)' if found.renewed else ''}",
        f"asked for by {request.owner}: {request.reason}",
    ]
    if answers.fact("mutes_alerts"):
        lines.append(
            "alerts of backups and agents are muted for the whole project; when the "
            f"{request.minutes:g} min are over the product shows the record no more, so one that is overrun is seen by its "
            "alerts alone"
        )
    lines += [f"muted besides by {window}" for window in answers.status.get("muted_by") or ()]
    if request.snapshot and not found.renewed:
        lines.append("a snapshot is taken first")
    return lines if found.forced or not found.arithmetic else [*lines, found.arithmetic]


def _forced(found: Judgement) -> list[str]:
    return [f"*** FORCED, although: {reason}" for reason in found.forced]


def _stopped(request: Request, answers: Answers) -> str:
    if answers.runs_agents:
        return "the agent will be stopped" if request.stop_agents else "the agent goes on"
    if not request.stop_agents:
        return "the agents go on"
    if not request.touched:
        return f"no agent will be stopped, because {_NO_AGENTS}"
    return f"the agents on {', '.join(request.touched)} will be stopped"


def _begun(request: Request, answers: Answers, found: Judgement) -> Outcome:
    stops = request.stop_agents and (answers.runs_agents or bool(request.touched))
    other = "muted" if answers.fact("mutes_alerts") else "paused"
    by = "has to run again by" if stops else "the agent goes on; if it stopped, it would have to run again by"
    return {
        "result": "stopped" if stops else other,
        "why": f"{by} {found.latest or 'an unknown time'}",
        "next": request.command("maintenance_end"),
    }


def restart(request: Request, answers: Answers, found: Judgement) -> Outcome:
    """Return the outcome of a job whose agents are about to be restarted, may not be, or of which nobody names one.

    Beside `job`, `result`, `why` and `next` it has the `lines` of the plan, `agents`, and when the agent was `started_at`.
    """
    outcome = _outcome(request, found)
    if not found.refused and not answers.runs_agents and not request.vendors:
        outcome |= {"result": "not done", "why": "backup_vendor_agents names no host of its agents"}
    lines = [f"{request.job} – {_restarted(request, answers)}", *_forced(found)]
    return {
        **outcome,
        "lines": [f"{request.job} – cannot be restarted now"] if found.refused else lines,
        "started_at": (answers.status.get("agent") or {}).get("started_at") or "",
    }


def _restarted(request: Request, answers: Answers) -> str:
    if answers.runs_agents:
        return "will be restarted"
    if request.touched:
        return f"the agents on {', '.join(request.touched)} will be restarted one after another"
    return (
        "its agents have been restarted already"
        if request.vendors
        else f"no agent will be restarted, because {_NO_AGENTS}"
    )


def end(request: Request, answers: Answers) -> Outcome:
    """Return `result` (planned or refused), `why`, the `lines` of the plan, and the `owner` whose record is taken back."""
    why = _end_refused(request, answers)
    return {
        "result": "refused" if why else "planned",
        "why": why,
        "lines": [] if why else [f"{request.job} – {_started(request, answers)}; {_ended(answers)}"],
        "owner": answers.record.get("owner", request.owner),
    }


def _end_refused(request: Request, answers: Answers) -> str:
    if not answers.status:
        return f"expected an answer of the agent, found {reason_of(answers.read, 'no connection')}"
    held = answers.record
    # Anybody may end a maintenance whose time has passed.
    if held.get("owner", request.owner) == request.owner or held["overdue"]:
        return ""
    return (
        f"expected no maintenance but one of {request.owner}, found that of {held['owner']} until {held['until']} "
        f"({held['reason']}); nothing was changed: let the owner end it, or do it as the owner, with "
        f"{request.as_owner(held['owner'])}"
    )


def _started(request: Request, answers: Answers) -> str:
    if answers.runs_agents:
        alive = answers.status["agent"]["alive"]
        wait = f"then it is waited for until it is at most {request.lag_seconds:g} s behind"
        return f"the agent {'runs' if alive else 'will be started'}, {wait}"
    agents = (
        f"the agents on {', '.join(request.vendors)} are started where they are down, then it is waited until"
        if request.vendors
        else f"no agent is started, because {_NO_AGENTS}; it is waited until"
    )
    return f"{agents} the product has heard of them, one is ACTIVE and no alert says that the backup is behind"


def _ended(answers: Answers) -> str:
    held = answers.record
    if held:
        return f"the maintenance of {held['owner']} since {held['began_at']} ends ({held['reason']})"
    over = ", or its time is over: the product shows it no more then" if answers.fact("mutes_alerts") else ""
    return f"no maintenance is recorded{over}"
