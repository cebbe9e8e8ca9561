# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters take what roles and templates have, in the form in which they have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.filter import backup, maintenance
from tests.integration.records import records

filters = backup.FilterModule().filters()
annual_hold = filters["annual_hold"]
annual_plan = filters["annual_plan"]
shortage = filters["machine_shortage"]
JOBS: list[dict[str, Any]] = [{"job": "a", "result": "planned", "age_days": 400, "max_age_days": 365}]


def test_every_filter_is_documented() -> None:
    """And nothing is documented that is not there."""
    documented = {path.stem for path in Path(backup.__file__).parent.glob("*.yml")}
    assert documented == {*filters, *maintenance.FilterModule().filters()}


def test_an_agent_that_does_not_answer() -> None:
    """It is not well where it was, and it counts as busy."""
    alive = '{"agent": {"alive": true}}'
    asked = [{"item": "/etc/a.yml", "stdout": "", "stderr": "lost"}]
    assert {"agent": {"alive": True}} == filters["agent_answer"](alive)
    assert filters["agent_recovered"]("", alive, "2026") is False
    assert ["/etc/a.yml gives no answer: lost"] == filters["open_operations"](asked)
    assert ["a"] == [one["job"] for one in filters["resource_answers"]([], "m", asked)]


def test_it_goes_on_until_too_many_have_failed() -> None:
    """Half of the jobs is not more than half of them."""
    assert "" == annual_hold(["done", "failed"], "00:00-24:00", 50)
    assert "1 of the 2 jobs of this run have failed, more than 49 % are not borne" == annual_hold(
        ["done", "failed"], "00:00-24:00", 49
    )


def test_a_blackout_without_sense_is_an_error_of_the_filter() -> None:
    """With the sentence that says what is right."""
    with pytest.raises(AnsibleFilterError, match="Expected annual_resync_blackout_dates like"):
        annual_hold([], "00:00-24:00", 50, ["christmas"])


def test_what_was_given_as_text() -> None:
    """One blackout is a list of one, and the text false is not true."""
    zone = {"time_zone": "Europe/Berlin", "now": "2026-12-24T21:30:00Z"}
    assert "touches the blackout 2026-12-24" in annual_hold([], "22:00-05:00", 50, "2026-12-24", **zone)
    job = {**JOBS[0], "result": "refused", "lost": "false", "readable": "false"}
    found = annual_plan([job], "22:00-05:00", 1, ended="false", **zone)
    assert [None] == [turn["due"] for turn in found["turns"]]
    assert ["a"] == annual_plan(JOBS, "22:00-05:00", 1, ended="false", **zone)["run"]


def test_a_job_that_is_due_is_in_the_run() -> None:
    """At a moment that is given, in a zone that is given."""
    found = annual_plan(JOBS, "22:00-05:00", 1, time_zone="Europe/Berlin", now="2026-11-28T21:30:00Z")
    assert (["a"], "2026-11-28 22:30") == (found["run"], found["now"])


def test_without_a_moment_it_is_now() -> None:
    """All hours are allowed, so it can be whenever this is run."""
    assert ["a"] == annual_plan(JOBS, "00:00-24:00", 1)["run"]


def test_hours_without_sense_are_an_error_of_the_filter() -> None:
    """With the sentence that says what is right."""
    with pytest.raises(AnsibleFilterError, match="Expected annual_resync_hours like"):
        annual_plan(JOBS, "nightly", 1)


def test_a_job_that_nobody_has_read() -> None:
    """It is planned for the controller, and unknown from now."""
    hosts: dict[str, Any] = {"a": {"inventory_hostname": "a"}}
    summary = filters["check_summary"](filters["check_plan"](hosts.values()), hosts, "critical")
    assert {"a": "unknown – controller gave no answer: the task was not run"} == summary["failing"]
    assert summary["records"][0]["checked_at"] > "2026"


def test_a_row_and_metrics_for_each_job() -> None:
    """Nothing is lost, whatever the records are like."""
    checks = records(12)
    assert [check["job"] for check in checks] == [row["job"] for row in filters["check_rows"](checks)]
    verdicts = filters["check_metrics"](checks, "2026-01-31T04:05:06Z")[1]
    assert ("mongodb_backup_verdict", 12 * 4) == (verdicts["name"], len(verdicts["samples"]))


def test_two_of_a_machine_are_two_batches() -> None:
    """As many as may be together are, and no more."""
    jobs = [
        {"job": name, "machine": machine, "cluster": name} for name, machine in (("a", "m"), ("b", "m"), ("c", "n"))
    ]
    assert [["a", "c"], ["b"]] == filters["job_batches"](jobs, 2)


def test_jobs_that_are_to_be_resynced() -> None:
    """Their batches come as they are, and as a play takes them."""
    hosts = [{"inventory_hostname": name, "__resync_outcome": {"result": "planned"}} for name in ("a", "b", "c")]
    expected = {"batches": [["a", "b"], ["c"]], "jobs": ["a", "b", "c"], "sizes": [2, 1]}
    assert expected == filters["resync_batches"](hosts, 2)


def test_a_job_of_ops_manager() -> None:
    """It is told how to reach its place, alone and as one of many."""
    its = {"inventory_hostname": "orders", "backup_provider": "ops_manager", "backup_ops_manager_url": "https://o"}
    place = {"url": "https://o", "cluster": "orders"}
    assert place == filters["ops_manager_options"](its)
    assert ("orders", place) == (filters["job_options"](its)["name"], filters["job_options"](its)["ops_manager"])


def test_what_was_printed_is_read() -> None:
    """An error that the agent printed is what is short."""
    printed = '{"ok": false, "error": {"message": "a:1 said: refused", "details": {}}}'
    assert ["a:1 said: refused"] == shortage([{"job": "orders", "stdout": printed, "stderr": ""}], "orders")


def test_a_job_without_an_answer_is_a_mistake() -> None:
    """Nothing known is not enough."""
    with pytest.raises(AnsibleFilterError, match="found those of items"):
        shortage([{"job": "items", "stdout": "", "stderr": ""}], "orders")


def test_a_resync_from_the_plan_to_the_report() -> None:
    """Each filter goes on with the outcome of the one before it."""
    planned = filters["resync_planned"]({"needed": True, "why": "old"}, "orders", machine="b", again="run again")
    failed = filters["resync_failed"]({"msg": "it broke"}, planned, "Copy", {}, "run again", "cancel")["outcome"]
    reported = filters["resync_reported"]({}, failed, "orders", "resync-7", {"verdict": "ok"}, {}, "")
    assert ["planned", "failed", "failed"] == [one["result"] for one in (planned, failed, reported)]
    assert ("resync-7", "ok") == (reported["operation"], reported["verdict"])


def test_a_length_of_time() -> None:
    """A number of seconds, and two moments."""
    assert "1 min 1 s" == filters["duration"](61)
    assert "1 min 1 s" == filters["time_between"]("2026-01-31T04:05:06Z", "2026-01-31T04:06:07Z")
