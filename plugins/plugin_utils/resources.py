# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all jobs of a machine need together, against what it has. Pure: answers of `backup-agent resources` in, sentences out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .agents import agent_answer

MACHINE_PROCESSORS = 1.0
"""What is left to the machine itself, whatever the number of jobs."""

KEPT_FREE = "kept free"
"""The part of a disk that its jobs share: each of them only waits until so much is free."""

Json = Mapping[str, Any]


def parsed(stdout: str, stderr: str) -> Json:
    """Return an answer of the agent; what is none becomes an error of the same form."""
    found = agent_answer(stdout)
    if "ok" in found:
        return found
    said = " ".join((stderr or stdout).split())[-300:] or "nothing"
    return {
        "ok": False,
        "error": {"message": f"expected an answer of backup-agent resources, found: {said}", "details": {}},
    }


def shortage(answers: Mapping[str, Json], job: str) -> list[str]:
    """Return a sentence for everything that is short for this job; nothing when all is enough.

    `answers` are those of all jobs of its machine. What a job whose source is silent needs of memory and processors counts too.
    """
    own = answers[job]
    if not own["ok"]:
        return [str(own["error"]["message"])]
    known = {name: answer if answer["ok"] else answer["error"].get("details", {}) for name, answer in answers.items()}
    unreached = [
        f"{member['member']} cannot be reached from the machine of the job: {member['detail']}"
        for member in own["members"]
        if not member["ok"]
    ]
    return [sentence for sentence in (_memory(known), _processors(known), *_disks(known, own)) if sentence] + unreached


def _memory(known: Mapping[str, Json]) -> str:
    found = {name: answer["memory"] for name, answer in known.items() if "memory" in answer}
    needed = sum(memory["needed_bytes"] for memory in found.values())
    have = min(memory["have_bytes"] for memory in found.values())
    parts = {name: memory["parts"] for name, memory in found.items()}
    return _short("memory", needed, have, size) + _by_job(parts) if needed > have else ""


def _processors(known: Mapping[str, Json]) -> str:
    found = {name: answer["cpu"] for name, answer in known.items() if "cpu" in answer}
    needed = MACHINE_PROCESSORS + sum(cpu["needed"] for cpu in found.values())
    have = min(cpu["have"] for cpu in found.values())
    parts = "; ".join(
        [f"the machine: {MACHINE_PROCESSORS:g}", *(f"{name}: {cpu['needed']:g}" for name, cpu in found.items())]
    )
    return f"{_short('processors', needed, have, '{:g}'.format)} ({parts})" if needed > have else ""


def _disks(known: Mapping[str, Json], own: Json) -> list[str]:
    """Return what is short on the disks that this job uses."""
    found = []
    for mine in own["disks"]:
        shared = {
            name: disk
            for name, answer in known.items()
            for disk in answer.get("disks", [])
            if disk["device"] == mine["device"]
        }
        kept = max(disk["reserve_bytes"] for disk in shared.values())
        needed = kept + sum(disk["needed_bytes"] - disk["reserve_bytes"] for disk in shared.values())
        free = min(disk["free_bytes"] for disk in shared.values())
        parts: dict[str, Sequence[Json]] = {"all": [{"name": KEPT_FREE, "bytes": kept}]}
        parts |= {name: [part for part in disk["parts"] if part["name"] != KEPT_FREE] for name, disk in shared.items()}
        if needed > free:
            found.append(_short(f"disk of {mine['path']}", needed, free, size) + _by_job(parts))
    return found


def _short(what: str, needed: float, have: float, show: Callable[[float], str]) -> str:
    return f"{what}: {show(needed)} needed in all, {show(have)} there, {show(needed - have)} missing"


def _by_job(parts: Mapping[str, Sequence[Json]]) -> str:
    listed = (
        f"{name}: {', '.join(part['name'] + ' ' + size(part['bytes']) for part in its)}"
        for name, its in parts.items()
        if its
    )
    return f" ({'; '.join(listed)})"


def size(value: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit in ("bytes", "KB") else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"
