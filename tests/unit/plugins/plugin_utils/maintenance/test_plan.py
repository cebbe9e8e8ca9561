# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks say before they do it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance import plan
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.judgement import Judgement

from .asked import BEGAN, LATEST, UNTIL, VENDORS_AGENTS, answers, record, request

WELL = Judgement(never=(), latest=LATEST, arithmetic="orders: safe")
UNSAFE = Judgement(never=(), against=("orders: unsafe", "orders: busy"), arithmetic="orders: unsafe")
FORCED = Judgement(never=(), against=UNSAFE.against, force=True, arithmetic="orders: unsafe")
TIMES = "for 60 min and a margin of 30 min"
WHO = "asked for by anna: new kernel"
MUTED = (
    "alerts of backups and agents are muted for the whole project; when the 60 min are over the product shows the record no "
    "more, so one that is overrun is seen by its alerts alone"
)
SNAPSHOTS_GO_ON = {"runs_agents": True}


class TestBegin:
    @pytest.mark.parametrize(
        ("changes", "facts", "found", "lines"),
        [
            (
                {},
                None,
                WELL,
                [f"orders – the agent will be stopped, snapshots are paused, {TIMES}", WHO, "orders: safe"],
            ),
            (
                {"stop_agents": False, "snapshot": True},
                SNAPSHOTS_GO_ON,
                Judgement(never=()),
                [f"orders – the agent goes on, snapshots go on, {TIMES}", WHO, "a snapshot is taken first"],
            ),
            (
                {"snapshot": True},
                None,
                Judgement(never=(), renewed=True),
                [f"orders – the agent will be stopped, snapshots are paused, {TIMES} (renewed)", WHO],
            ),
            (
                {},
                None,
                FORCED,
                [
                    "*** FORCED, although: orders: unsafe",
                    "*** FORCED, although: orders: busy",
                    f"orders – the agent will be stopped, snapshots are paused, {TIMES}",
                    WHO,
                ],
            ),
            ({}, None, UNSAFE, ["orders cannot be maintained now – orders: unsafe; orders: busy"]),
            (
                {"vendors": ("db1", "db2"), "touched": ("db1", "db2")},
                VENDORS_AGENTS,
                WELL,
                [
                    f"orders – the agents on db1, db2 will be stopped, alerts are muted, {TIMES}",
                    WHO,
                    MUTED,
                    "muted besides by the window works",
                    "orders: safe",
                ],
            ),
            (
                {},
                VENDORS_AGENTS,
                Judgement(never=()),
                [
                    f"orders – no agent will be stopped, because backup_vendor_agents names none, alerts are muted, {TIMES}",
                    WHO,
                    MUTED,
                    "muted besides by the window works",
                ],
            ),
            (
                {"vendors": ("db1",), "stop_agents": False},
                {"runs_agents": False},
                Judgement(never=()),
                [f"orders – the agents go on, snapshots go on, {TIMES}", WHO, "muted besides by the window works"],
            ),
        ],
    )
    def test_lines(self, changes: dict[str, Any], facts: Any, found: Judgement, lines: list[str]) -> None:
        """What is done with the agents, the snapshots and the alerts, for how long, who asked, and why it is safe."""
        answered = answers({"muted_by": ["the window works"]}, facts=facts) if facts else answers()
        lines = [line for line in lines if facts is not SNAPSHOTS_GO_ON or "besides" not in line]
        said = plan.begin(request(**changes), answered, found)["lines"]
        assert lines == [line for line in said if facts is not SNAPSHOTS_GO_ON or "besides" not in line]

    def test_outcome(self) -> None:
        """All that the role needs to go on."""
        found = plan.begin(request(touched=("db1",)), answers(), WELL)
        assert {"job": "orders", "result": "planned", "why": "", "next": "", "agents": ["db1"]}.items() <= found.items()
        assert (True, False, LATEST, "new kernel") == tuple(
            found[name] for name in ("forceable", "renewed", "latest", "reason")
        )

    def test_a_refusal(self) -> None:
        """Force helps only where nothing stands that nobody may override."""
        found = plan.begin(request(), answers(), UNSAFE)
        assert ("refused", "orders: unsafe; orders: busy", True) == (found["result"], found["why"], found["forceable"])
        assert not plan.begin(request(), answers(), Judgement(("orders: no",)))["forceable"]

    def test_what_was_forced_is_recorded(self) -> None:
        """Beside the reason, for whoever finds the agent down."""
        found = plan.begin(request(), answers(), FORCED)
        assert "new kernel (forced, although orders: unsafe; orders: busy)" == found["reason"]

    @pytest.mark.parametrize(
        ("changes", "facts", "latest", "result", "why"),
        [
            ({}, None, LATEST, "stopped", f"has to run again by {LATEST}"),
            ({}, None, None, "stopped", "has to run again by an unknown time"),
            (
                {"stop_agents": False},
                None,
                LATEST,
                "paused",
                f"the agent goes on; if it stopped, it would have to run again by {LATEST}",
            ),
            ({"touched": ("db1",)}, VENDORS_AGENTS, LATEST, "stopped", f"has to run again by {LATEST}"),
            (
                {},
                VENDORS_AGENTS,
                LATEST,
                "muted",
                f"the agent goes on; if it stopped, it would have to run again by {LATEST}",
            ),
        ],
    )
    def test_what_it_is_when_it_has_begun(
        self, changes: dict[str, Any], facts: Any, latest: str | None, result: str, why: str
    ) -> None:
        """Whether agents are down, by when they have to run again, and the command that ends it."""
        answered = answers(facts=facts) if facts else answers()
        begun = plan.begin(request(**changes), answered, Judgement(never=(), latest=latest))["begun"]
        end = "ansible-playbook -i hosts mongodb_ops.backup.maintenance_end -e maintenance_hosts=orders-host"
        assert {"result": result, "why": why, "next": end} == begun


class TestRestart:
    @pytest.mark.parametrize(
        ("changes", "facts", "found", "result", "lines"),
        [
            ({}, None, WELL, "planned", ["orders – will be restarted"]),
            ({}, None, UNSAFE, "refused", ["orders – cannot be restarted now"]),
            (
                {},
                None,
                FORCED,
                "planned",
                [
                    "orders – will be restarted",
                    "*** FORCED, although: orders: unsafe",
                    "*** FORCED, although: orders: busy",
                ],
            ),
            (
                {"vendors": ("db1", "db2"), "touched": ("db1", "db2")},
                VENDORS_AGENTS,
                WELL,
                "planned",
                ["orders – the agents on db1, db2 will be restarted one after another"],
            ),
            (
                {"vendors": ("db1",)},
                VENDORS_AGENTS,
                WELL,
                "planned",
                ["orders – its agents have been restarted already"],
            ),
            (
                {},
                VENDORS_AGENTS,
                WELL,
                "not done",
                ["orders – no agent will be restarted, because backup_vendor_agents names none"],
            ),
        ],
    )
    def test_lines(self, changes: dict[str, Any], facts: Any, found: Judgement, result: str, lines: list[str]) -> None:
        """An agent that several jobs have is restarted once; where none is named, that is the outcome."""
        outcome = plan.restart(request(**changes), answers(facts=facts) if facts else answers(), found)
        assert (result, lines, BEGAN) == (outcome["result"], outcome["lines"], outcome["started_at"])

    @pytest.mark.parametrize(
        ("found", "facts", "why"),
        [
            (UNSAFE, None, "orders: unsafe; orders: busy"),
            (WELL, VENDORS_AGENTS, "backup_vendor_agents names no host of its agents"),
        ],
    )
    def test_why_not(self, found: Judgement, facts: Any, why: str) -> None:
        """What is against it, or that there is nothing to restart."""
        assert why == plan.restart(request(), answers(facts=facts) if facts else answers(), found)["why"]

    def test_a_job_without_an_answer(self) -> None:
        """It is refused, and nothing is known of its agent."""
        found = plan.restart(request(), answers(read={}), Judgement(("orders: no answer",)))
        assert ("refused", "") == (found["result"], found["started_at"])


class TestEnd:
    NOTHING = "no maintenance is recorded"
    HEARD = "the product has heard of them, one is ACTIVE and no alert says that the backup is behind"

    @pytest.mark.parametrize(
        ("alive", "held", "line"),
        [
            (True, None, f"the agent runs, then it is waited for until it is at most 60 s behind; {NOTHING}"),
            (
                False,
                record(),
                (
                    "the agent will be started, then it is waited for until it is at most 60 s behind; the maintenance of "
                    f"anna since {BEGAN} ends (disk)"
                ),
            ),
        ],
    )
    def test_lines_of_an_agent_of_ours(self, alive: bool, held: Any, line: str) -> None:
        """Whether it runs, and whose maintenance ends."""
        found = plan.end(request(), answers({"agent": {"alive": alive}, "maintenance": held}))
        assert ("planned", "", [f"orders – {line}"]) == (found["result"], found["why"], found["lines"])

    @pytest.mark.parametrize(
        ("vendors", "line"),
        [
            ((), f"no agent is started, because backup_vendor_agents names none; it is waited until {HEARD}"),
            (
                ("db1", "db2"),
                f"the agents on db1, db2 are started where they are down, then it is waited until {HEARD}",
            ),
        ],
    )
    def test_lines_of_agents_of_a_vendor(self, vendors: tuple[str, ...], line: str) -> None:
        """A record may be gone because its time is over."""
        found = plan.end(request(vendors=vendors), answers(facts=VENDORS_AGENTS))
        over = f"{self.NOTHING}, or its time is over: the product shows it no more then"
        assert [f"orders – {line}; {over}"] == found["lines"]

    @pytest.mark.parametrize(
        ("held", "owner"),
        [(None, "anna"), (record(), "anna"), (record("ben", overdue=True), "ben")],
    )
    def test_whose_record_is_taken_back(self, held: Any, owner: str) -> None:
        """Whoever is on call ends one whose time has passed."""
        found = plan.end(request(), answers({"maintenance": held}))
        assert ("planned", owner) == (found["result"], found["owner"])

    @pytest.mark.parametrize(
        ("answered", "why"),
        [
            (answers(read={"msg": "no route"}), "expected an answer of the agent, found no route"),
            (answers(read={}), "expected an answer of the agent, found no connection"),
            (
                answers({"maintenance": record("ben and co")}),
                (
                    f"expected no maintenance but one of anna, found that of ben and co until {UNTIL} (disk); nothing was "
                    "changed: let the owner end it, or do it as the owner, with -e backup_owner='ben and co'"
                ),
            ),
        ],
    )
    def test_a_refusal(self, answered: Any, why: str) -> None:
        """No answer, or somebody else's maintenance that is not over."""
        found = plan.end(request(), answered)
        assert ("refused", why, []) == (found["result"], found["why"], found["lines"])
