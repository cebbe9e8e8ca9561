# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters take hosts and answers as the role has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.filter.maintenance import FilterModule
from tests.unit.plugins.plugin_utils.maintenance.asked import answers, record, request

FILTERS = FilterModule().filters()
HOSTS: dict[str, dict[str, Any]] = {
    "orders": {"backup_agent_host": "m1", "backup_source_uri": "mongodb://10.0.0.1:27017,10.0.0.2:27017"},
    "items": {"backup_agent_host": "m1", "backup_source_uri": "mongodb://10.0.0.3"},
    "db1": {"ansible_host": "10.0.0.1"},
    "db2": {"ansible_host": "10.0.0.2"},
    "m1": {},
}
JOBS = ["orders", "items"]
MEMBERS = [
    {"member": "10.0.0.1:27017", "state": "PRIMARY", "last": {"time": 9}, "delay_seconds": 0},
    {"member": "10.0.0.2:27017", "state": "SECONDARY", "last": {"time": 7}, "delay_seconds": 0},
]


@pytest.mark.parametrize(("named", "stops"), [("m1", {"orders": True, "items": True}), ("db1", {"orders": False})])
def test_choice(named: str, stops: dict[str, bool]) -> None:
    """Jobs behind a machine, and behind a database host."""
    found = FILTERS["maintenance_choice"]([named], HOSTS, JOBS, [named])
    assert (stops, list(stops)) == (found["stops"], found["outside"])
    assert found == FILTERS["maintenance_choice"](named, HOSTS, JOBS, [named])


@pytest.mark.parametrize(("verb", "result"), [("begin", "planned"), ("restart", "refused"), ("end", "planned")])
def test_plan(verb: str, result: str) -> None:
    """One's own maintenance is renewed or ended, but no restart goes on in it, whatever somebody was asked before."""
    answered = asdict(answers({"maintenance": record()}, renewed=True))
    assert result == FILTERS["maintenance_plan"](asdict(request()), verb, answered, HOSTS, JOBS)["result"]


def test_plan_of_something_else() -> None:
    """A verb that nobody knows is a mistake."""
    with pytest.raises(AnsibleFilterError, match="expected begin, restart or end, found stop"):
        FILTERS["maintenance_plan"](asdict(request()), "stop", {}, HOSTS, JOBS)


def test_recovery() -> None:
    """A backup whose agents were not heard of is not well; the moments are those of each host."""
    status = {"state": "tailing", "agent": {"alive": True}, "alerts": [], "agents": []}
    limits = {"lag_seconds": "60", "within_seconds": "4"}
    facts = {"reports_lag": False}
    found = FILTERS["maintenance_recovery"](
        {"status": status}, facts, HOSTS, "orders", "resync", since={"db1": "2026"}, **limits
    )
    assert (False, False, False) == (found["settled"], found["well"], found["lost"])
    assert "within 4 s, found state tailing, no agent is known on db1, but on none" in found["missed"]
    found = FILTERS["maintenance_recovery"]({"status": status}, facts, HOSTS, "orders", "resync", **limits)
    assert (True, True, "", "running") == (found["settled"], found["well"], found["missed"], found["outcome"]["result"])


def test_summary() -> None:
    """What the role has noted on each job; a job that is in no inventory is none."""
    noted = {"__maintenance_outcome": {"result": "failed", "why": "no", "next": ""}, "__maintenance_goes_on": True}
    hosts = {"orders": noted, "items": {"__maintenance_goes_on": False}}
    found = FILTERS["maintenance_summary"](["orders", "items", "!all"], hosts, "5")
    assert {"orders": "failed", "items": "not done"} == found["results"]
    assert ("items   not done", False) == (found["lines"][2][:16], found["all_are_back"])
    assert "every job can bear 5 min" in found["refusal"]


def test_rolling_place() -> None:
    """The names, the jobs and the member of a host; what is said of the host itself is said by the task."""
    found = FILTERS["rolling_place"]("db2", HOSTS, JOBS, MEMBERS, job="items")
    assert {
        "names": ["db2:27017", "10.0.0.2:27017"],
        "jobs": ["items", "orders"],
        "followed": ["orders", "items"],
        "member": "10.0.0.2:27017",
        "behind_seconds": 2.0,
    } == found
    before = FILTERS["rolling_place"]("db1", HOSTS, JOBS)
    assert (["orders"], "", None) == (before["jobs"], before["member"], before["behind_seconds"])
    assert ["db1:1", "10.0.0.1:1"] == FILTERS["rolling_place"]("db1", HOSTS, JOBS, port=1)["names"]
    assert ["x:1"] == FILTERS["rolling_place"]("db1", HOSTS, JOBS, member="x:1")["names"]


def test_rolling_line() -> None:
    """By what was read of each host; one that is no member is a mistake."""
    read = {"replica_set": "rs0", "members": MEMBERS}
    names = {"db1": ["10.0.0.1:27017"], "db2": ["10.0.0.2:27017"], "m1": ["m1:27017"]}
    hosts = {name: {"__rolling_set": read, "__rolling_names": own} for name, own in names.items()}
    assert ["db2", "db1"] == FILTERS["rolling_line"](["db1", "db2"], hosts)["hosts"]
    with pytest.raises(AnsibleFilterError, match="expected m1:27017 among the members of rs0"):
        FILTERS["rolling_line"](["m1"], hosts)
