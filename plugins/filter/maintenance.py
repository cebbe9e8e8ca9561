# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters of the role maintenance; what they do is in plugin_utils/maintenance/, and each is documented beside this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import FixInput
from ..plugin_utils.given import names_in
from ..plugin_utils.job_options import variable
from ..plugin_utils.maintenance import agents, choice, inventory, judgement, plan, recovery, rolling, summary
from ..plugin_utils.maintenance.inventory import Hosts
from ..plugin_utils.maintenance.request import Answers, Json, Request


def maintenance_choice(
    named: Sequence[str], hosts: Hosts, jobs: Sequence[str], limited: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return the jobs behind the hosts that were named."""
    named = names_in(named)
    servers = [name for host in named if host not in jobs for name in inventory.server_names(host, hosts)]
    return choice.choose(named, inventory.jobs_of(jobs, hosts), servers, limited)


def maintenance_plan(request: Json, verb: str, answers: Json, hosts: Hosts, jobs: Sequence[str]) -> dict[str, Any]:
    """Return whether a maintenance may begin, agents be restarted, or a maintenance end. Raises AnsibleFilterError."""
    try:
        asked, answered = Request.of(request), Answers.of(answers)
    except FixInput as error:
        raise AnsibleFilterError(error.message) from None
    if verb == "end":
        return plan.end(asked, answered)
    if verb not in ("begin", "restart"):
        raise AnsibleFilterError(f"expected begin, restart or end, found {verb}; correct the task")
    now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    found = judgement.judge(asked, answered, inventory.jobs_of(jobs, hosts), hosts, now, renews=verb == "begin")
    return (plan.begin if verb == "begin" else plan.restart)(asked, answered, found)


def maintenance_recovery(
    waited: Json,
    facts: Json,
    hosts: Hosts,
    job: str,
    resync: str,
    lag_seconds: float,
    within_seconds: float,
    before: str = "",
    since: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return whether a backup is well again, and what became of it."""
    since = since or {}
    known = (waited.get("status") or {}).get("agents") or []
    unheard = agents.unheard(since, {host: inventory.address_of(host, hosts) for host in since}, known)
    look = recovery.Look(waited, facts.get("reports_lag", True), float(lag_seconds), before, unheard)
    return {
        "settled": look.settled,
        "well": look.well,
        "lost": look.lost,
        "missed": "" if look.well or look.lost else look.missed(float(within_seconds)),
        "outcome": look.outcome(job, resync),
    }


def maintenance_summary(hosts: Sequence[str], all_hosts: Hosts, minutes: float = 0) -> dict[str, Any]:
    """Return what became of all jobs of a run."""
    known = [host for host in hosts if host in all_hosts]
    outcomes = {host: variable(all_hosts[host], "__maintenance_outcome") for host in known}
    reached = [host for host in known if variable(all_hosts[host], "__maintenance_goes_on") is not None]
    return {
        "lines": summary.lines(outcomes, reached),
        "results": summary.results(outcomes),
        "refusal": summary.refusal(outcomes, float(minutes)),
        "all_are_back": summary.all_are_back(outcomes),
    }


def rolling_place(
    host: str,
    hosts: Hosts,
    jobs: Sequence[str],
    members: Sequence[Json] = (),
    port: int = inventory.DEFAULT_PORT,
    member: str = "",
    job: str = "",
) -> dict[str, Any]:
    """Return what is known of a database host."""
    names = inventory.member_names(host, hosts, port, member)
    own = rolling.own_member(names, members)
    known = inventory.jobs_of(jobs, hosts)
    concerned = rolling.jobs_on(names, known, job)
    return {
        "names": names,
        "jobs": concerned,
        "followed": [job.name for job in known if job.machine and job.name in concerned],
        "member": "" if own is None else own["member"],
        "behind_seconds": rolling.behind_seconds(own, members),
    }


def rolling_line(hosts: Sequence[str], all_hosts: Hosts) -> dict[str, list[str]]:
    """Return database hosts in the order in which they are maintained. Raises AnsibleFilterError."""
    try:
        found = ((host, all_hosts[host]["__rolling_names"], all_hosts[host]["__rolling_set"]) for host in hosts)
        return rolling.line_up([rolling.place(*its) for its in found])
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {
            "maintenance_choice": maintenance_choice,
            "maintenance_plan": maintenance_plan,
            "maintenance_recovery": maintenance_recovery,
            "maintenance_summary": maintenance_summary,
            "rolling_line": rolling_line,
            "rolling_place": rolling_place,
        }
