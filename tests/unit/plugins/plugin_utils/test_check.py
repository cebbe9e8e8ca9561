# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reads which job, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from jinja2 import StrictUndefined

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.check import check_jobs, check_plan, check_summary
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.metrics import check_metrics
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.rows import check_rows
from tests.integration.records import records

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
    """Return the record of a job of which nothing was read."""
    nothing = dict.fromkeys(("replica_set", "oplog", "oplog_error", "backup", "backup_error"))
    return {"job": name, "verdict": verdict, "reasons": list(reasons), "checked_at": "2026-01-31T04:05:06Z", **nothing}


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


def leaves(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Return the way to each value in a record, and to all that holds others."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for name, item in items:
        yield from leaves(item, *path, name)


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a record in which one value is another."""
    if not path:
        return new
    kept = dict(value) if isinstance(value, dict) else list(value)
    kept[path[0]] = changed(value[path[0]], path[1:], new)
    return kept


class TestAMachineThatLies:
    OTHERS = record("c", "ok")

    def records(self, jobs: Any) -> dict[str, dict[str, Any]]:
        """Return the records where the machine of orders and b answers with this; c is of another one."""
        found = variables(a={"__check_read": {"jobs": jobs}}, c=read(self.OTHERS))
        summary = check_summary(PLAN, found, "critical", NOW)
        known = {host: one["verdict"] for one in summary["records"] for host in [PLAN["hosts"][one["job"]]]}
        assert summary["failing"].keys() == {
            host for host, verdict in known.items() if verdict in ("critical", "unknown")
        }
        assert 3 == len(summary["records"])
        return {one["job"]: one for one in summary["records"]}

    def test_says_nothing_of_a_job_of_another_machine(self) -> None:
        """Neither that it is well, nor that it is not, nor that it is of another machine or cluster."""
        lie = {**record("orders", "ok"), "machine": "controller", "cluster": "shop"}
        found = self.records([lie, record("b", "ok"), record("c", "critical", "lie"), record("nobody", "critical")])
        assert ["ok"] * 3 == [found[name]["verdict"] for name in ("orders", "b", "c")]
        assert ("backup1", None) == (found["orders"]["machine"], found["orders"]["cluster"])

    def test_its_silence_cannot_be_filled_by_another(self) -> None:
        """A job of a machine that is down stays unknown."""
        found = variables(
            a={"__check_read": {"unreachable": True, "msg": "no route"}}, c=read(record("orders", "ok"), self.OTHERS)
        )
        known = {one["job"]: one["verdict"] for one in check_summary(PLAN, found, "never", NOW)["records"]}
        assert {"orders": "unknown", "b": "unknown", "c": "ok"} == known

    @pytest.mark.parametrize("jobs", ["x", 7, ["x"], [["orders"]], [{}], [{"job": ["orders"]}], {"orders": 1}, None])
    def test_gives_no_list_of_records(self, jobs: Any) -> None:
        """Its jobs are unknown, and the others are as they are."""
        found = self.records(jobs)
        assert ("unknown", "unknown", "ok") == tuple(found[name]["verdict"] for name in ("orders", "b", "c"))

    @pytest.mark.parametrize("verdict", ["fine", "OK", None, 0, ["ok"], "<script>"])
    def test_a_verdict_that_is_none(self, verdict: Any) -> None:
        """It is unknown, which fails the job."""
        assert "unknown" == self.records([{**record("orders", "ok"), "verdict": verdict}])["orders"]["verdict"]

    @pytest.mark.parametrize("number", [0, 1, 4])
    def test_no_record_of_it_keeps_the_reports_from_the_others(self, number: int) -> None:
        """Each value of a record is each other thing once: there is a report over all, and nothing in it is a line of its own."""
        whole = {**records(12)[number], "job": "orders"}
        for path in leaves(whole):
            for new in (
                "<script>",
                "5\n",
                5,
                -1,
                float("nan"),
                float("inf"),
                None,
                True,
                [],
                ["x"],
                {},
                {"x": 1},
                10**400,
            ):
                found = list(self.records([changed(whole, path, new)]).values())
                check_rows(found)
                samples = [one for metric in check_metrics(found, "2026-01-31T04:05:06Z") for one in metric["samples"]]
                assert not [one for one in samples if "\n" in one], path

    def test_what_it_says_does_not_act_on_a_terminal(self) -> None:
        """Reasons are shown, in the message that fails the job too."""
        found = self.records([record("orders", "critical", "\x1b[2J")])
        assert ["\\x1b[2J"] == found["orders"]["reasons"]
