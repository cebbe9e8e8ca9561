"""oplog_window_info against a real replica set, played as a task like users do."""

from __future__ import annotations

import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import Member, ReplicaSet
from tests.integration import task


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Return a replica set with logins and a hidden member."""
    members = [Member(priority=2), Member(), Member(hidden=True)]
    directory = tmp_path_factory.mktemp("orders")
    with ReplicaSet("orders", members, oplog_mb=990, directory=directory, auth=True) as replica_set:
        yield replica_set


def play(folder: Path, python: Path | str = sys.executable, **options: Any) -> tuple[bool, dict[str, Any]]:
    """Play one task on this host with this Python; return whether it succeeded, and its result."""
    return task.play("mongodb_ops.backup.oplog_window_info", folder, options, python)


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """Return a Python that has nothing installed, like that of most database servers."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    return tmp_path / "bare/bin/python3"


def test_every_member_is_read(orders: ReplicaSet, tmp_path: Path) -> None:
    """A young oplog holds little, so the verdict is a warning, and the hidden member is among the members."""
    succeeded, result = play(tmp_path, login_uri=orders.uri)
    assert (True, "warning", "orders") == (succeeded, result["verdict"], result["replica_set"])
    assert [False, False, True] == [member["hidden"] for member in result["members"]]
    assert ["PRIMARY", "SECONDARY", "SECONDARY"] == [member["state"] for member in result["members"]]
    assert all(0 < member["used_bytes"] < member["max_bytes"] for member in result["members"])
    assert result["window_hours"] == min(member["window_hours"] for member in result["members"])


def test_continues_with_the_agents_python(orders: ReplicaSet, bare_python: Path, tmp_path: Path) -> None:
    """Where the host's Python has no pymongo, the agent's is used."""
    succeeded, result = play(tmp_path, bare_python, login_uri=orders.uri, agent_python=sys.executable, min_hours=0)
    assert (True, "ok") == (succeeded, result["verdict"])


def test_says_that_pymongo_is_missing(orders: ReplicaSet, bare_python: Path, tmp_path: Path) -> None:
    """Where no Python has it either, the message says so and what to do."""
    succeeded, result = play(tmp_path, bare_python, login_uri=orders.uri, agent_command="/nowhere/backup-agent")
    assert (False, "pymongo_missing") == (succeeded, result["error"]["code"])


def test_without_a_login_nothing_can_be_measured(orders: ReplicaSet, tmp_path: Path) -> None:
    """No verdict is made up where nothing could be read."""
    succeeded, result = play(tmp_path, login_uri=orders.bare_uri)
    assert (False, "nothing_measured") == (succeeded, result["error"]["code"])
    assert "permission to read the replica set and its oplog" in result["msg"]


def test_a_dead_member_hides_nobody(orders: ReplicaSet, tmp_path: Path) -> None:
    """The others keep their windows; the whole is unknown because nobody knows about the dead one."""
    orders.kill_member(2)
    try:
        succeeded, result = play(tmp_path, login_uri=orders.uri, min_hours=0, connect_timeout_seconds=2)
        assert (True, "unknown") == (succeeded, result["verdict"])
        assert ["ok", "ok", "unknown"] == [member["verdict"] for member in result["members"]]
        assert 1 == len(result["reasons"])
        assert result["window_hours"] is not None
    finally:
        orders.restart_member(2)


def test_the_rate_of_writing_is_read_from_a_secondary(orders: ReplicaSet, tmp_path: Path) -> None:
    """A young oplog is read as a whole; what it would hold at these rates is computed for every member."""
    succeeded, result = play(tmp_path, login_uri=orders.uri, bucket_seconds=30)
    assert succeeded
    rate = result["write_rate"]
    secondaries = [each["member"] for each in result["members"] if "SECONDARY" == each["state"]]
    assert rate["member"] in secondaries
    assert (True, False, 30, None) == (
        rate["exact"],
        rate["cut_short"],
        rate["bucket_seconds"],
        result["write_rate_reason"],
    )
    assert 0 < rate["mean_bytes_per_second"] <= rate["peak_bytes_per_second"]
    assert 0 < rate["p95_bytes_per_second"] <= rate["peak_bytes_per_second"]
    assert 1 <= len(rate["buckets"]) <= 96
    assert all(not each["wrapped"] and 0 == each["min_retention_hours"] for each in result["members"])
    assert result["forecast_peak_hours"] == min(each["forecast_peak_hours"] for each in result["members"])
    assert result["forecast_peak_hours"] <= result["forecast_p95_hours"]
    assert 24 * 3600 * rate["mean_bytes_per_second"] * 0.99 <= result["recommended_oplog_bytes"]


def test_options_that_contradict_each_other(orders: ReplicaSet, tmp_path: Path) -> None:
    """One line says which."""
    succeeded, result = play(tmp_path, login_uri=orders.uri, exact=True, rates=False)
    assert (False, "bad_option") == (succeeded, result["error"]["code"])
    assert "found rates=false; leave one of them out." in result["msg"]
