"""Preflight checks that say no, each in one line with what was found and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_agent.source.oplog import OplogUse
from backup_agent.state.records import Copied
from backup_agent.sync import preflight
from backup_agent.values import Check

COLLECTIONS = [Copied("shop.orders", "00", view=False, bytes=1000)]


def looked(window: int, rate: int | None, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Return the check of the window for a window and a measured rate."""
    monkeypatch.setattr(preflight, "oplog_use", lambda _client: OplogUse(window, 0, 0))
    monkeypatch.setattr(preflight, "measure_rate", lambda *_arguments: rate)
    plan = preflight.Plan(data_bytes=1000)
    preflight._check_window(None, None, "a:1", COLLECTIONS, plan, lambda: None)  # type: ignore[arg-type]
    (check,) = plan.checks
    return check


def test_a_window_shorter_than_the_sync_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 bytes at 10 a second with a margin of 2 need 201 s: 200 are not enough, and 201 are."""
    short = looked(200, 10, monkeypatch)
    assert not short.ok
    assert "holds 200 s, the sync needs about 201 s" in short.detail
    assert "enlarge the oplog" in short.remedy
    assert looked(201, 10, monkeypatch).ok


def test_an_empty_source_needs_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to measure with is nothing to copy."""
    assert looked(1, None, monkeypatch).ok


def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    """Two and a half times the data and a floor must be free, and what is missing is said in bytes."""
    plan = preflight.Plan(data_bytes=10**18)
    preflight._check_disk(tmp_path, 0, plan)
    (check,) = plan.checks
    assert not check.ok
    assert str(tmp_path) in check.detail
    assert check.remedy.startswith("free ")


def test_the_reserve_must_stay_free(tmp_path: Path) -> None:
    """A sync that would get to the reserve would wait for room in the middle."""
    plan = preflight.Plan(data_bytes=0)
    preflight._check_disk(tmp_path, 10**18, plan)
    assert [False] == [check.ok for check in plan.checks]
