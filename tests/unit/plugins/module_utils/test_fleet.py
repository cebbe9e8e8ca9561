# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checking many jobs: what is asked of whom, and that one job hides no other. Real sets and agents: tests/integration."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils import fleet
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from tests.unit.plugins.module_utils.ops_manager.emulated import Product

STATUS = {
    "ok": True,
    "state": "tailing",
    "backup_lag_seconds": 1.0,
    "backup_lag_primary_seconds": 1.0,
    "headroom_seconds": 36000.0,
    "verdict": "ok",
    "reasons": [],
}


def job(name: str = "orders", **options: Any) -> dict[str, Any]:
    """Return a job as the module gets it: every suboption, with its default."""
    specification = fleet.JOBS.options["jobs"]["options"]
    return {**{key: option.get("default") for key, option in specification.items()}, "name": name, **options}


def check(*jobs: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    """Check these jobs."""
    return fleet.check_jobs({"jobs": list(jobs), "rates": True, "parallel": 4, **params})


class TestCheckJobs:
    def test_an_agent_without_a_source(self, executable_agent: Any) -> None:
        """Only the backup is checked, and nothing is said about the oplog."""
        executable_agent.answer("status", STATUS)
        (record,) = check(job(agent_command=str(executable_agent.path), agent_config="/etc/orders.yml"))
        assert ("ok", [], "embedded") == (record["verdict"], record["reasons"], record["provider"])
        assert (None, None, 1.0) == (record["oplog"], record["oplog_error"], record["backup"]["backup_lag_seconds"])

    def test_each_job_has_its_own_answer(self, executable_agent: Any) -> None:
        """An agent that is missing, a server that is gone and a job without anything hide neither each other nor the good one."""
        executable_agent.answer("status", STATUS)
        good = job("good", agent_command=str(executable_agent.path), agent_config="/etc/orders.yml")
        none = job("none", agent_command="/nowhere/backup-agent", agent_config="/etc/orders.yml")
        gone = job("gone", login_host="127.0.0.1", login_port=1, connect_timeout_seconds=1)
        records = check(good, none, gone, job("empty"))
        assert ["good", "none", "gone", "empty"] == [record["job"] for record in records]
        assert ["ok", "unknown", "unknown", "unknown"] == [record["verdict"] for record in records]
        assert "set agent_command to the path" in records[1]["backup_error"]
        assert "found no server that listens there" in records[2]["oplog_error"]
        assert "there is nothing to check" in records[3]["reasons"][0]

    def test_a_mistake_of_ours_is_said_without_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A surprise in one job is that job's reason; its text could hold a password."""

        def surprise(*_: Any) -> None:
            raise KeyError("hunter2")

        monkeypatch.setattr(fleet, "read_replica_set", surprise)
        (record,) = check(job(login_host="a"))
        assert "KeyError in test_fleet.py, line" in record["oplog_error"]
        assert "hunter2" not in str(record)

    def test_limits_of_one_job(self, executable_agent: Any) -> None:
        """Two jobs with different limits get different verdicts of the same numbers."""
        executable_agent.answer("status", STATUS)
        command = {"agent_command": str(executable_agent.path), "agent_config": "/etc/orders.yml"}
        strict = {"headroom_hours": {"critical": 20}}
        records = check(job("a", **command, thresholds=strict), job("b", **command))
        assert ["critical", "ok"] == [record["verdict"] for record in records]

    @pytest.mark.parametrize(
        ("message", "wrong"),
        [
            ("found critical 1 and warning 2", {"thresholds": {"apply_lag_seconds": {"warning": 2, "critical": 1}}}),
            ("found nan", {"thresholds": {"slack_minutes": {"critical": float("nan")}}}),
            ("found -1", {"min_hours": -1}),
        ],
    )
    def test_limits_that_make_no_sense(self, executable_agent: Any, message: str, wrong: dict[str, Any]) -> None:
        """They make their own job unknown, and the others are checked."""
        executable_agent.answer("status", STATUS)
        command = {"agent_command": str(executable_agent.path), "agent_config": "/etc/orders.yml"}
        bad, good = check(job("a", **command, **wrong), job("b", **command))
        assert ("unknown", "ok") == (bad["verdict"], good["verdict"])
        assert message in bad["reasons"][0]

    @pytest.mark.parametrize(
        ("message", "jobs", "params"),
        [
            ("found none", [], {}),
            ("found a more than once", [job("a"), job("b"), job("a")], {}),
            ("parallel to be at least 1", [job()], {"parallel": 0}),
        ],
    )
    def test_nonsense_is_refused_before_anything_is_read(
        self, message: str, jobs: list[Any], params: dict[str, Any]
    ) -> None:
        """A check of nothing would be ok, and one of two jobs with one name would lose one."""
        with pytest.raises(FixInput, match=message):
            check(*jobs, **params)


class TestOpsManager:
    def test_jobs_of_one_project(self) -> None:
        """Each cluster gets its own verdict, several at once, and one that is not there hides none."""
        with Product() as product:
            product.add_replica_set("items")
            product.alert()
            options = [product.options(cluster=name) for name in ("orders", "items", "carts")]
            jobs = [job(one["cluster"], provider="ops_manager", ops_manager=one) for one in options]
            orders, items, carts = check(*jobs)
            key = product.private_key
        assert ["critical", "critical", "unknown"] == [one["verdict"] for one in (orders, items, carts)]
        assert "Resync Required" in orders["reasons"][0]
        assert "there is no complete snapshot" in items["reasons"][0]
        assert "expected one cluster carts" in carts["backup_error"].lower()
        assert ["ops_manager"] * 3 == [one["provider"] for one in (orders, items, carts)]
        assert key not in str((orders, items, carts))

    def test_a_key_that_is_refused(self) -> None:
        """Nothing is known of the backup then, and the reason says what to check without the key."""
        with Product() as product:
            options = product.options(private_key="another-key")
            (record,) = check(job(provider="ops_manager", ops_manager=options))
        assert ("unknown", None) == (record["verdict"], record["backup"])
        assert "the backup could not be read" in record["reasons"][0]
        assert "another-key" not in str(record)


class TestRun:
    def test_an_agent_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is left after a while, and the message names it."""
        monkeypatch.setattr(fleet, "_AGENT_SECONDS", 0.2)
        (record,) = check(job(agent_command="sh -c 'exec sleep 30'", agent_config="/etc/orders.yml"))
        assert "Expected an answer of sh, found none in 0.2 s" in record["backup_error"]
