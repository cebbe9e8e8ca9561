# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The annual run: who is due, in what order, and when the others have their turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.annual import Job, hold, job_of, plan
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.nights import Calendar, calendar

NIGHTLY = calendar("22:00-05:00", ())
NIGHT = datetime(2026, 11, 28, 22)  # noqa: DTZ001 # what a clock on the wall shows
DAY = NIGHT - timedelta(hours=8)


def due(name: str, age: float | None = 400, **more: Any) -> Job:
    """Return a job that can be resynced now."""
    return Job(name, "planned", age_days=age, **more)


def idle(name: str, age: float | None = 10, **more: Any) -> Job:
    """Return a job whose turn has not come."""
    return Job(name, "not needed", age_days=age, **more)


def turns(found: dict[str, Any]) -> dict[str, str | None]:
    """Return the turn of each job."""
    return {turn["job"]: turn["turn"] for turn in found["turns"]}


def of(found: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what is said of a job."""
    said: dict[str, Any] = next(turn for turn in found["turns"] if turn["job"] == name)
    return said


class TestOrder:
    def test_oldest_first_never_before_and_lost_before_all(self) -> None:
        """Jobs whose newest sync failed come last, whatever their age."""
        jobs = [
            due("b", 370),
            due("a", 400),
            due("never", None),
            due("lost", 3, lost=True),
            due("broken", 900, failed=True),
        ]
        assert ["lost", "never", "a", "b", "broken"] == plan(jobs, NIGHTLY, NIGHT, 9)["run"]

    def test_a_run_has_so_many_places(self) -> None:
        """The others get the coming nights, in the same order."""
        found = plan([due(str(number), 400 - number) for number in range(5)], NIGHTLY, NIGHT, 2)
        assert ["0", "1"] == found["run"]
        assert {"0": "now", "1": "now", "2": "2026-11-29", "3": "2026-11-29", "4": "2026-11-30"} == turns(found)
        assert "2 in one run, and others come first" == of(found, "2")["why"]

    def test_what_cannot_be_resynced_leaves_its_place(self) -> None:
        """It is tried again the next night, and why is said."""
        found = plan([Job("old", "refused", "no secondary", 900), due("young", 366)], NIGHTLY, NIGHT, 1)
        assert ["young"] == found["run"]
        assert ("2026-11-29", "no secondary") == (of(found, "old")["turn"], of(found, "old")["why"])

    def test_what_is_open_comes_first_and_takes_a_place(self) -> None:
        """Although it is younger: it is being worked on."""
        found = plan([due("old", 900), due("older", 950), Job("open", "attached", age_days=370)], NIGHTLY, NIGHT, 2)
        assert ["open", "older"] == found["run"]

    def test_a_run_without_places_is_a_mistake(self) -> None:
        """Nobody would ever have a turn."""
        with pytest.raises(FixInput, match="annual_resync_jobs_per_run of at least 1, found 0"):
            plan([due("a")], NIGHTLY, NIGHT, 0)


class TestWhen:
    def test_nothing_new_is_started_by_day(self) -> None:
        """What is open already is followed even so, and the rest has tonight."""
        found = plan([due("old"), Job("open", "attached", age_days=370)], NIGHTLY, DAY, 4)
        assert ["open"] == found["run"]
        assert {"open": "now", "old": "2026-11-28"} == turns(found)
        assert "outside of the allowed hours" in of(found, "old")["why"]

    def test_a_blackout_moves_the_turns(self) -> None:
        """Also the turn of one who is not due yet."""
        closed = calendar("22:00-05:00", ["2026-11-29/2026-12-01"])
        found = plan([due("old"), idle("young", 363.5)], closed, NIGHT, 4)
        assert [] == found["run"]
        assert "touches the blackout 2026-11-29/2026-12-01" in found["closed"]
        assert {"old": "2026-12-02", "young": "2026-12-02"} == turns(found)

    def test_who_is_not_due_has_the_night_after_its_day(self) -> None:
        """Its date is said; the policy is that of the job."""
        found = plan([idle("a", 10), idle("b", 10, max_age_days=12)], NIGHTLY, NIGHT, 4)
        assert [("b", "2026-11-30", "2026-12-01"), ("a", "2027-11-18", "2027-11-19")] == [
            (turn["job"], turn["due_on"], turn["turn"]) for turn in found["turns"]
        ]

    def test_what_is_not_known_is_not_guessed(self) -> None:
        """A machine that does not answer has no turn and comes last."""
        found = plan(
            [Job("silent", "unreachable", "no connection", None, readable=False), due("old")], NIGHTLY, NIGHT, 4
        )
        assert [("old", "now", True), ("silent", None, None)] == [
            (t["job"], t["turn"], t["due"]) for t in found["turns"]
        ]

    @pytest.mark.parametrize(("age", "is_due"), [(400, True), (10, False), (None, True)])
    def test_a_job_without_an_answer_is_judged_by_its_age(self, age: float | None, is_due: bool) -> None:
        """The provider refused to answer, but the last resync could be read."""
        assert is_due is Job("a", "refused", age_days=age).is_due

    def test_an_age_beyond_reckoning_is_no_error(self) -> None:
        """A policy of never has no night."""
        assert {"a": None} == turns(plan([idle("a", 10, max_age_days=10**9)], NIGHTLY, NIGHT, 4))


class TestAfterTheRun:
    def test_who_was_resynced_begins_anew(self) -> None:
        """Who failed, who waits and who was refused have the next night, the failed one last."""
        jobs = [
            Job("done", "done", age_days=400),
            Job("failed", "failed", "disk full", 900),
            Job("waits", "waits", age_days=366),
            Job("refused", "refused", "no secondary", 367),
        ]
        found = plan(jobs, NIGHTLY, NIGHT, 2, ended=True)
        assert [] == found["run"]
        assert {"refused": "2026-11-29", "waits": "2026-11-29", "failed": "2026-11-30", "done": "2027-11-29"} == turns(
            found
        )
        assert (0.0, False) == (of(found, "done")["age_days"], of(found, "done")["due"])


class TestHold:
    @pytest.mark.parametrize(
        ("results", "held"),
        [
            (["done", "failed", "planned", "planned"], False),
            (["failed", "failed", "planned", "planned"], True),
            (["canceled", "failed", "done"], True),
            (["planned"], False),
            ([], False),
        ],
    )
    def test_too_many_failures_end_the_run(self, results: list[str], held: bool) -> None:
        """So many percent of all jobs of the run are borne, more are not."""
        assert held is bool(hold(results, NIGHTLY, NIGHT, 25))

    def test_the_end_of_the_night_ends_the_run(self) -> None:
        """And so does a blackout."""
        assert "05:00 is outside" in hold(["done"], NIGHTLY, NIGHT + timedelta(hours=7), 25)
        assert "touches" in hold(["done"], calendar("22:00-05:00", ["2026-11-29"]), NIGHT, 25)


def test_a_mapping_is_read_as_the_playbook_makes_it() -> None:
    """Null is no age, and what is left out is not so."""
    assert Job("a", "planned", "old", None) == job_of(
        {"job": "a", "result": "planned", "why": "old", "age_days": None, "max_age_days": 365}
    )
    full = {
        "job": "a",
        "result": "x",
        "age_days": "3.5",
        "readable": False,
        "max_age_days": 7,
        "lost": True,
        "failed": True,
    }
    assert Job("a", "x", "", 3.5, False, 7.0, True, True) == job_of(full)


@pytest.mark.parametrize("age", ["old", "nan", float("inf"), {}, [3], "{{ 1 }}"])
def test_an_age_that_is_none_is_not_known(age: Any) -> None:
    """A machine has said it, and the turns of all jobs are one plan."""
    job = job_of({"job": "a", "result": "refused", "age_days": age, "max_age_days": 365})
    assert (None, None) == (job.age_days, job.is_due)


FLEETS = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 800)), st.sampled_from([30, 365]), st.booleans()),
    min_size=1,
    max_size=25,
).map(
    lambda found: [
        Job(str(number), "?", age_days=age, max_age_days=policy, lost=lost and age is not None)
        for number, (age, policy, lost) in enumerate(found)
    ]
)
BLACKOUTS = st.lists(st.integers(0, 40), max_size=5)


def closed_on(days: list[int]) -> Calendar:
    """Return the calendar with blackouts so many days from now."""
    return calendar("22:00-05:00", [(NIGHT + timedelta(day)).date() for day in days])


def asked(job: Job) -> Job:
    """Return the job as a provider would answer tonight."""
    needs = job.lost or job.age_days is None or job.age_days > job.max_age_days
    return replace(job, result="planned" if needs else "not needed")


def night_over(job: Job, resynced: bool) -> Job:
    """Return the job a day later."""
    age = 0.0 if resynced else job.age_days
    return replace(job, age_days=None if age is None else age + 1, lost=job.lost and not resynced)


@settings(max_examples=40, deadline=None)
@given(FLEETS, BLACKOUTS, st.integers(1, 4))
def test_every_job_is_resynced_in_the_night_that_was_said(jobs: list[Job], blackouts: list[int], per_run: int) -> None:
    """With a run in every night, each job is resynced in the night that it was told, and not before."""
    nights = closed_on(blackouts)
    said = turns(plan(map(asked, jobs), nights, NIGHT, per_run))
    first: dict[str, str] = {}
    for day in range(30):
        run = plan(map(asked, jobs), nights, NIGHT + timedelta(day), per_run)["run"]
        for name in run:
            first.setdefault(name, "now" if day == 0 else str((NIGHT + timedelta(day)).date()))
        jobs = [night_over(job, job.name in run) for job in jobs]
    horizon = str((NIGHT + timedelta(30)).date())
    assert {
        name: turn for name, turn in said.items() if turn is not None and (turn == "now" or turn < horizon)
    } == first


@settings(max_examples=40, deadline=None)
@given(FLEETS, st.lists(st.booleans(), min_size=40, max_size=40), st.integers(1, 4))
def test_missed_nights_lose_nothing(jobs: list[Job], happens: list[bool], per_run: int) -> None:
    """Runs that do not happen make it later, but after as many runs as there are places needed nothing old is left."""
    jobs = [replace(job, max_age_days=365) for job in jobs]
    old = {job.name for job in map(asked, jobs) if job.result == "planned"}
    runs = 0
    for day, is_run in enumerate(happens):
        run = plan(map(asked, jobs), NIGHTLY, NIGHT + timedelta(day), per_run)["run"] if is_run else []
        runs += is_run
        old -= set(run)
        jobs = [night_over(job, job.name in run) for job in jobs]
    needed = -(-len(jobs) // per_run)
    assert old == set() or runs < needed


@settings(max_examples=40, deadline=None)
@given(FLEETS, st.integers(1, 4))
def test_nobody_is_left_out(jobs: list[Job], per_run: int) -> None:
    """Each job is named once. A due job is in the run, or has a night when there are places."""
    answered = [asked(job) for job in jobs]
    found = plan(answered, NIGHTLY, NIGHT, per_run)
    assert sorted(job.name for job in jobs) == sorted(turn["job"] for turn in found["turns"])
    assert len(found["run"]) <= per_run
    assert all(turn["turn"] for turn in found["turns"])
