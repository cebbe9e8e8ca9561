# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reads which job, and what is made of the answers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from jinja2 import StrictUndefined

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.check import check_jobs, check_plan, check_summary

NOW = datetime(2026, 1, 31, 4, 5, 6, tzinfo=timezone.utc)
PLAN: dict[str, Any] = {
    "machines": {
        "a": {"machine": "backup1", "has_agent": True, "jobs": ["a", "b"]},
        "c": {"machine": "controller", "has_agent": False, "jobs": ["c"]},
    },
    "hosts": {"orders": "a", "b": "b", "c": "c"},
}


def variables(**own: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of the hosts of the plan, and what is known of each besides."""
    hosts: dict[str, dict[str, Any]] = {
        "a": {"backup_agent_host": "backup1", "backup_job": "orders", "backup_source_uri": "mongodb://db1"},
        "b": {"backup_agent_host": "backup1", "backup_cluster": "shop"},
        "c": {"backup_source_uri": "mongodb://db1"},
    }
    return {name: {"inventory_hostname": name, **its, **own.get(name, {})} for name, its in hosts.items()}


def record(name: str, verdict: str, *reasons: str) -> dict[str, Any]:
    """Return what matters here of a record."""
    return {"job": name, "verdict": verdict, "reasons": list(reasons)}


def read(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a task that was registered."""
    return {"__check_read": {"jobs": list(records)}}


class TestCheckPlan:
    def test_jobs_by_machine(self) -> None:
        """The first of each machine reads, and the controller does for those without an agent."""
        hosts = variables(a={"backup_agent_host": "x"}, d={})
        assert {
            "a": {"machine": "x", "has_agent": True, "jobs": ["a"]},
            "b": {"machine": "backup1", "has_agent": True, "jobs": ["b"]},
            "c": {"machine": "controller", "has_agent": False, "jobs": ["c"]},
        } == check_plan(hosts.values())["machines"]
        assert {**PLAN, "twice": []} == check_plan(variables().values())

    @pytest.mark.parametrize(
        ("expected", "names"), [([], "abc"), (["a"], "aab"), (["a"], "aaa"), (["c"], "bcc"), ([], ["a", "A", ""])]
    )
    def test_names_of_more_than_one_job(self, expected: list[str], names: str) -> None:
        """Each is said once."""
        own = {host: {"backup_job": name} for host, name in zip("abc", names)}
        assert expected == check_plan(variables(**own).values())["twice"]


def test_jobs_that_can_be_read() -> None:
    """One with a variable that cannot be is left out, and hides no other."""
    torn = {"backup_source_tls": {"certificate_key_file": StrictUndefined(name="x")}}
    assert ["b", "c"] == [job["name"] for job in check_jobs(variables(a=torn).values())]


class TestCheckSummary:
    @pytest.mark.parametrize("answer", [read(record("b", "ok")), {"__check_read": {"failed": True, "msg": "no jobs"}}])
    def test_a_job_that_cannot_be_read(self, answer: dict[str, Any]) -> None:
        """It is unknown and says why, whatever became of the others of its machine."""
        torn = {"backup_source_tls": {"certificate_key_file": StrictUndefined(name="x")}, **answer}
        records = check_summary(PLAN, variables(a=torn, c=read(record("c", "ok"))), "never", NOW)["records"]
        found = next(one for one in records if one["job"] == "orders")
        assert 3 == len(records)
        assert ("backup1", "unknown") == (found["machine"], found["verdict"])
        assert "Expected a value of backup_source_tls, found 'x' is undefined" in found["reasons"][0]

    def test_the_worst_comes_first(self) -> None:
        """Critical is worse than unknown, and those of one verdict stay in their order."""
        found = variables(
            a=read(record("orders", "ok"), record("b", "unknown", "u")), c=read(record("c", "critical", "x", "y"))
        )
        summary = check_summary(PLAN, found, "critical", NOW)
        assert ["c", "b", "orders"] == [one["job"] for one in summary["records"]]
        assert {"c": "critical – x; y", "b": "unknown – u"} == summary["failing"]

    @pytest.mark.parametrize(
        ("expected", "fail_on"), [([], "never"), (["a", "c"], "critical"), (["a", "b", "c"], "warning")]
    )
    def test_which_jobs_fail(self, expected: list[str], fail_on: str) -> None:
        """They are named by their hosts."""
        found = variables(a=read(record("orders", "critical"), record("b", "warning")), c=read(record("c", "unknown")))
        assert expected == sorted(check_summary(PLAN, found, fail_on, NOW)["failing"])

    @pytest.mark.parametrize(
        ("reason", "answer"),
        [
            ("backup1 could not be reached: no route", {"unreachable": True, "msg": " no\n  route\n"}),
            ("backup1 gave no answer: python is missing", {"failed": True, "msg": "python is missing"}),
            ("backup1 gave no answer: the task was not run", None),
        ],
    )
    def test_a_machine_that_gave_no_answer(self, reason: str, answer: dict[str, Any] | None) -> None:
        """Each of its jobs is unknown, in a record of the same form; what was not to be read has no error."""
        silent = {} if answer is None else {"__check_read": answer}
        records = check_summary(PLAN, variables(a=silent, c=read(record("c", "ok"))), "critical", NOW)["records"]
        common = {"machine": "backup1", "provider": "embedded", "replica_set": None, "verdict": "unknown"} | {
            "reasons": [reason],
            "checked_at": "2026-01-31T04:05:06Z",
            "oplog": None,
            "backup": None,
            "backup_error": reason,
        }
        assert [
            {"job": "orders", "cluster": None, **common, "oplog_error": reason},
            {"job": "b", "cluster": "shop", **common, "oplog_error": None},
        ] == records[:2]
