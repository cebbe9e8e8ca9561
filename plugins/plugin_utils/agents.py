# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What agents say when they are called as commands, and what it means for the role that runs them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from .job_options import Variables, machine_of, name_of, variable

Json = Mapping[str, Any]

_OPEN = ("queued", "running")


def agent_answer(stdout: str) -> Json:
    """Return what the agent said with --json; empty where that is no answer."""
    try:
        found = json.loads(stdout)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def agent_recovered(stdout: str, before: str, since: str) -> bool:
    """Whether an agent that was started is as well as before, by its status of both times.

    What it shows counts once it has gone through a cycle after `since`, a time of its machine like 2026-01-31T04:05:06Z. One that
    was not well before is not judged: it would be in the way of the version that helps it.
    """
    found, was = agent_answer(stdout), agent_answer(before)
    if not _agent(was).get("alive"):
        return True
    is_new = _agent(found).get("alive") and (_agent(found).get("cycle_at") or "") > since
    return bool(is_new) and (_tails(found) or not _tails(was))


def _agent(status: Json) -> Json:
    return status.get("agent") or {}


def _tails(status: Json) -> bool:
    return status.get("state") == "tailing" and not status.get("waiting")


def open_operations(results: Iterable[Json]) -> list[str]:
    """Return the operations that are open, in words, from the results of a loop over configurations of jobs.

    An agent that gives no answer counts as one that is busy, unless it has never run.
    """
    found = (_open_operation(result) for result in results if not result.get("skipped"))
    return [text for text in found if text]


def _open_operation(result: Json) -> str:
    said = agent_answer(result.get("stdout") or "")
    error = said.get("error") or {}
    if not said.get("ok") and error.get("code") != "agent_down":
        return f"{result['item']} gives no answer: {error.get('message') or result.get('stderr') or ''}"
    found = said.get("operation") or {}
    return f"{found['id']} of {found['owner']} at step {found['step']}" if found.get("state") in _OPEN else ""


def resource_answers(jobs: Iterable[Variables], machine: str, others: Iterable[Json]) -> list[dict[str, str]]:
    """Return what `backup-agent resources` has said of each job of a machine, for the filter machine_shortage.

    First those of `jobs`, the jobs of the play; then `others`, the results of a loop over the configurations of jobs that it is
    not for.
    """
    own = [its for its in jobs if (machine_of(its) or its["inventory_hostname"]) == machine]
    read = [(name_of(its), variable(its, "__backup_agent_resources", {})) for its in own]
    read += [(PurePosixPath(result["item"]).stem, result) for result in others]
    return [
        {"job": name, "stdout": result["stdout"], "stderr": result["stderr"]}
        for name, result in read
        if "stdout" in result
    ]
