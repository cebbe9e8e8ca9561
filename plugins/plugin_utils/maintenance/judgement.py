# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the agents of a job may be stopped for a while. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..text import duration, moment, time_between
from .agents import agent_on, hosts_of
from .inventory import Hosts, Job, address_of
from .request import Answers, Json, Request, is_unreachable, reason_of


@dataclass(frozen=True)
class Judgement:
    """What is to be said against stopping the agents, and by when they have to run again."""

    #: What nobody may override, and what a person may.
    never: tuple[str, ...]
    against: tuple[str, ...] = ()
    force: bool = False
    #: Whether a recorded maintenance goes on.
    renewed: bool = False
    latest: str | None = None
    arithmetic: str = ""

    @property
    def refused(self) -> bool:
        """Whether the agents may not be stopped."""
        return bool(self.never or (self.against and not self.force))

    @property
    def forced(self) -> tuple[str, ...]:
        """What was overridden."""
        return () if self.refused else self.against

    @property
    def why(self) -> str:
        """Everything that is to be said against it."""
        return "; ".join((*self.never, *self.against))


def judge(request: Request, answers: Answers, jobs: list[Job], hosts: Hosts, now: str, renews: bool) -> Judgement:
    """Say whether the agents may be stopped.

    `jobs` are all of the inventory, `now` is like 2026-01-31T04:05:06Z. `renews` says whether they are stopped to begin a
    maintenance or to renew one, as answers.asked has it. Otherwise any that is recorded is in the way, one's own too.
    """
    obstacle = _obstacle(request, answers, renews)
    if obstacle:
        return Judgement((f"{request.job}: {obstacle}",))
    renewed = renews and bool(answers.asked.get("renewed"))
    latest, arithmetic, unsafe = _time(request, answers, renewed, now)
    never = [
        *(_no_snapshot(request, answers) if renews and not renewed else ()),
        *_never(request, answers, hosts, renewed),
    ]
    against = [*_shared(request, jobs), *_open(answers, now)]
    return Judgement(
        never=tuple(f"{request.job}: {text}" for text in never),
        against=(*(f"{request.job}: {text}" for text in against), *unsafe),
        force=request.force,
        renewed=renewed,
        latest=latest,
        arithmetic=arithmetic,
    )


def _obstacle(request: Request, answers: Answers, renews: bool) -> str:
    """Return what makes all else pointless: no answer, or a maintenance that is in the way; empty where there is none."""
    if not answers.status:
        silent = is_unreachable(answers.read)
        return f"{f'{request.machine} could not be reached' if silent else 'no answer of its agent'}: {reason_of(answers.read)}"
    if not renews:
        return _held(request, answers.record) if answers.record else ""
    if "maintenance" in answers.asked:
        return ""
    held = ((answers.asked.get("error") or {}).get("details") or {}).get("maintenance")
    return _held(request, held) if held else f"maintenance cannot be recorded: {reason_of(answers.asked)}"


def _held(request: Request, held: Json) -> str:
    end = request.command("maintenance_end", request.as_owner(str(held["owner"])))
    return (
        f"expected no maintenance, found that of {held['owner']} since {held['began_at']} until {held['until']} "
        f"({held['reason']}); wait for its end, or end it as its owner: {end}"
    )


def _no_snapshot(request: Request, answers: Answers) -> Iterator[str]:
    if request.snapshot and answers.fact("snapshots_by_schedule_only"):
        yield "expected maintenance_snapshot=false, found true; its product makes snapshots by its schedule only"


def _never(request: Request, answers: Answers, hosts: Hosts, renewed: bool) -> Iterator[str]:
    for answer in answers.reached:
        if is_unreachable(answer):
            yield f"the host of its agent {answer['__maintenance_agent']} could not be reached: {reason_of(answer)}"
    known = answers.status.get("agents") or []
    for host in () if renewed else request.touched:
        if agent_on(host, address_of(host, hosts), known) is None:
            wanted = "hosts of agents of its project in backup_vendor_agents"
            yield f"expected {wanted}, found {host}; the product knows {hosts_of(known)}"
    syncing = answers.status.get("syncing") or ([request.job] if answers.status["state"] == "resyncing" else [])
    if request.touched and syncing:
        yield (
            f"expected no initial sync while the agents of its project are stopped, found one of {', '.join(syncing)}, "
            "which would start over; wait for its end"
        )


def _shared(request: Request, jobs: list[Job]) -> Iterator[str]:
    for job in jobs:
        if job.name not in (*request.together, request.host) and set(job.vendors) & set(request.touched):
            yield f"expected agents of jobs that are maintained, found that {job.name} has them too; name it as well"


def _open(answers: Answers, now: str) -> Iterator[str]:
    found = answers.status.get("operation")
    if found:
        age = time_between(found["created_at"], now)
        yield (
            f"expected no open operation, found {found['kind']} {found['id']} of {found['owner']}, {age} old "
            f"({found['reason']}); wait for it, or cancel it"
        )


def _time(request: Request, answers: Answers, renewed: bool, now: str) -> tuple[str | None, str, tuple[str, ...]]:
    """Return by when the agents have to run again, how that was calculated, and what speaks against it.

    The cursor of an agent that is down does not move, so what was calculated when it was stopped still holds; the gate knows no
    more. Whether the agents of a vendor are down, nothing says at once: they are taken to be so since they were to be stopped.
    """
    record, found = answers.asked.get("maintenance") or {}, answers.gate_job
    alive = (answers.status.get("agent") or {}).get("alive")
    if renewed and (not alive or (request.touched and record["latest_safe_restart"])):
        return _time_of_one_that_is_down(request, record, now)
    arithmetic = found.get("arithmetic") or ""
    unsafe = arithmetic or f"{request.job}: unsafe, the gate gave no answer: {reason_of(answers.gate)}"
    latest = found.get("latest_safe_restart") or record.get("latest_safe_restart")
    return latest, arithmetic, () if found.get("safe") else (unsafe,)


def _time_of_one_that_is_down(request: Request, record: Json, now: str) -> tuple[str | None, str, tuple[str, ...]]:
    latest, seconds = record["latest_safe_restart"], request.minutes * 60
    enough = bool(latest) and (moment(latest) - moment(now)).total_seconds() >= seconds
    arithmetic = (
        f"{request.job}: {'safe' if enough else 'unsafe'}, stopped since {record['began_at']}, has to run again by "
        f"{latest or 'an unknown time'}, planned {duration(seconds)} more"
    )
    return latest, arithmetic, () if enough else (arithmetic,)
