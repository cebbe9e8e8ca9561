# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether agents may be stopped."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.inventory import Job
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.judgement import Judgement, judge
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.request import Answers, Request

from .asked import BEGAN, GATE, LATEST, NOW, UNSAFE, UNTIL, VENDORS_AGENTS, answers, record, request

HELD = (
    f"orders: expected no maintenance, found that of ben since {BEGAN} until {UNTIL} (disk); wait for its end, or end it as its "
    "owner: ansible-playbook -i hosts mongodb_ops.backup.maintenance_end -e maintenance_hosts=orders-host -e backup_owner=ben"
)
JOBS = [Job("orders-host", "", "orders", ("db1",), ()), Job("items", "", "items", ("db1", "db2"), ())]
HOSTS: dict[str, dict[str, Any]] = {"db1": {"ansible_host": "10.0.0.1"}, "db2": {}}
AGENTS = [{"host": "db1.example.com", "last_conf": BEGAN}, {"host": "db3", "last_conf": BEGAN}]


def judged(asked: Request, answered: Answers, jobs: list[Job] | None = None, renews: bool = True) -> Judgement:
    return judge(asked, answered, jobs or [], HOSTS, NOW, renews)


def vendors(**changes: Any) -> Request:
    return request(vendors=("db1",), touched=("db1",), together=("orders-host", "items"), **changes)


def of_vendors(**status: Any) -> Answers:
    return answers({"agents": AGENTS, "syncing": [], **status}, facts=VENDORS_AGENTS)


def refused(**error: Any) -> dict[str, Any]:
    """Return the result of a module that has failed, which is no failure of its task."""
    return {"changed": False, "failed": False, "msg": "Expected x.", "error": {"code": "refused", **error}}


def test_nothing_against_it() -> None:
    """By when the agents have to run again, and why, is what the gate says."""
    found = judged(request(), answers())
    assert (False, False, "", ()) == (found.refused, found.renewed, found.why, found.forced)
    assert (LATEST, GATE["arithmetic"]) == (found.latest, found.arithmetic)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"read": {"unreachable": True, "msg": "no route\n"}, "asked": {"skipped": True}},
            "orders: backup1 could not be reached: no route",
        ),
        ({"read": {}, "asked": {}}, "orders: no answer of its agent: no reason was given"),
        ({"asked": refused(details={"maintenance": record("ben")})}, HELD),
        ({"asked": refused(details={"exit_code": 2})}, "orders: maintenance cannot be recorded: Expected x"),
        ({"asked": {"unreachable": True, "msg": "gone"}}, "orders: maintenance cannot be recorded: gone"),
    ],
)
@pytest.mark.parametrize("force", [True, False])
def test_what_makes_all_else_pointless(parts: dict[str, Any], said: str, force: bool) -> None:
    """No answer, a maintenance that is in the way, or an agent that is too old to say; not by force either."""
    found = judged(request(force=force), answers(gate=UNSAFE, **parts))
    assert (True, said, ()) == (found.refused, found.why, found.against)


@pytest.mark.parametrize(("held", "said"), [(record("ben"), HELD), (record("ben", overdue=True), HELD), (None, "")])
def test_a_restart_goes_on_in_no_maintenance(held: dict[str, Any] | None, said: str) -> None:
    """Not in one's own, nor in one whose time has passed, whatever somebody was asked before."""
    found = judged(request(), answers({"maintenance": held}, renewed=True), renews=False)
    assert (bool(said), said) == (found.refused, found.why)


def test_a_restart_is_refused_by_ones_own_maintenance() -> None:
    """It would end before its time."""
    assert "found that of anna" in judged(request(), answers({"maintenance": record()}, asked={}), renews=False).why


def test_a_maintenance_of_which_nobody_was_asked() -> None:
    """No answer is none that allows it."""
    assert "orders: maintenance cannot be recorded: no reason was given" == judged(request(), answers(asked={})).why


@pytest.mark.parametrize(
    ("status", "parts", "said"),
    [
        (
            {},
            {"reached": [{"__maintenance_agent": "db1", "unreachable": True, "msg": "no route"}]},
            "orders: the host of its agent db1 could not be reached: no route",
        ),
        (
            {"agents": AGENTS[1:]},
            {},
            "orders: expected hosts of agents of its project in backup_vendor_agents, found db1; the product knows db3",
        ),
        (
            {"agents": []},
            {},
            "orders: expected hosts of agents of its project in backup_vendor_agents, found db1; the product knows none",
        ),
        (
            {"syncing": ["items", "shop"]},
            {},
            (
                "orders: expected no initial sync while the agents of its project are stopped, found one of items, shop, which "
                "would start over; wait for its end"
            ),
        ),
        (
            {"state": "resyncing"},
            {},
            (
                "orders: expected no initial sync while the agents of its project are stopped, found one of orders, which "
                "would start over; wait for its end"
            ),
        ),
    ],
)
def test_what_nobody_may_override(status: dict[str, Any], parts: dict[str, Any], said: str) -> None:
    """Of the agents of a vendor, none is stopped that is not known, not reached, or would begin again."""
    answered = answers({"agents": AGENTS, "syncing": [], **status}, facts=VENDORS_AGENTS, **parts)
    found = judged(vendors(force=True), answered)
    assert (True, (said,), ()) == (found.refused, found.never, found.forced)


def test_a_renewal_looks_for_no_agents() -> None:
    """They are down, and the product forgets one of which it does not hear."""
    answered = answers({"agents": [], "syncing": []}, facts=VENDORS_AGENTS, renewed=True)
    assert "" == judged(vendors(), answered).why


@pytest.mark.parametrize(("renewed", "never"), [(False, True), (True, False)])
def test_a_snapshot_that_only_the_schedule_makes(renewed: bool, never: bool) -> None:
    """Is refused, but not when it would not be taken."""
    found = judged(request(snapshot=True), answers(facts=VENDORS_AGENTS, renewed=renewed))
    text = "orders: expected maintenance_snapshot=false, found true; its product makes snapshots by its schedule only"
    assert ((text,) if never else ()) == found.never


@pytest.mark.parametrize("force", [True, False])
def test_what_a_person_may_override(force: bool) -> None:
    """An operation that is open, and a downtime that is not safe: refused, or noted as forced."""
    operation = {
        "kind": "snapshot",
        "id": "s-1",
        "owner": "ben",
        "reason": "by hand",
        "created_at": "2026-01-31T03:58:20Z",
    }
    found = judged(request(force=force), answers({"operation": operation}, gate=UNSAFE))
    against = (
        "orders: expected no open operation, found snapshot s-1 of ben, 1 min 40 s old (by hand); wait for it, or cancel it",
        UNSAFE["arithmetic"],
    )
    assert (not force, against, against if force else ()) == (found.refused, found.against, found.forced)


def test_agents_that_another_job_has_too() -> None:
    """It has to be maintained as well, unless it is."""
    asked = request(vendors=("db1",), touched=("db1",))
    said = "orders: expected agents of jobs that are maintained, found that items has them too; name it as well"
    assert (said,) == judged(asked, of_vendors(), JOBS).against
    assert () == judged(vendors(), of_vendors(), JOBS).against


@pytest.mark.parametrize(
    ("gate", "said"),
    [(UNSAFE, UNSAFE["arithmetic"]), (None, "orders: unsafe, the gate gave no answer: no pymongo")],
)
def test_a_gate_that_does_not_say_safe(gate: dict[str, Any] | None, said: str) -> None:
    """What is not known is not safe."""
    assert (said,) == judged(request(), answers(gate=gate)).against


def test_the_gate_of_a_renewal_that_knows_no_time() -> None:
    """The recorded one still holds."""
    assert LATEST == judged(request(force=True), answers(gate=None, renewed=True)).latest


@pytest.mark.parametrize(
    ("minutes", "latest", "safe", "said"),
    [
        (
            60,
            LATEST,
            True,
            f"orders: safe, stopped since {BEGAN}, has to run again by {LATEST}, planned 1 h 0 min more",
        ),
        (
            300,
            LATEST,
            True,
            f"orders: safe, stopped since {BEGAN}, has to run again by {LATEST}, planned 5 h 0 min more",
        ),
        (
            301,
            LATEST,
            False,
            f"orders: unsafe, stopped since {BEGAN}, has to run again by {LATEST}, planned 5 h 1 min more",
        ),
        (
            1,
            None,
            False,
            f"orders: unsafe, stopped since {BEGAN}, has to run again by an unknown time, planned 1 min 0 s more",
        ),
    ],
)
def test_an_agent_that_is_down_already(minutes: float, latest: str | None, safe: bool, said: str) -> None:
    """Its cursor does not move: what was calculated when it was stopped counts, and not the gate."""
    asked = {"changed": False, "renewed": True, "maintenance": record(latest_safe_restart=latest)}
    found = judged(request(minutes=minutes), answers({"agent": {"alive": False}}, gate=UNSAFE, asked=asked))
    assert (not safe, latest, said, True) == (found.refused, found.latest, found.arithmetic, found.renewed)
    assert (() if safe else (said,)) == found.against


@pytest.mark.parametrize(("latest", "arithmetic"), [(LATEST, "stopped since"), (None, GATE["arithmetic"])])
def test_agents_of_a_vendor_that_were_to_be_stopped(latest: str | None, arithmetic: str) -> None:
    """They are taken to be down, although one may be alive; without a time the gate has to be asked."""
    asked = {"changed": False, "renewed": True, "maintenance": record(latest_safe_restart=latest)}
    answered = answers({"agents": AGENTS, "syncing": []}, facts=VENDORS_AGENTS, asked=asked)
    assert arithmetic in judged(vendors(), answered).arithmetic
