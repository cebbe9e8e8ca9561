"""How far the estimate of the write rate is off, on real oplogs of awkward shapes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_commands import Budget
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_reading import read_rates
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from lab.binaries import find_mongod
from lab.mongod import Mongod
from lab.oplogs import DAY, SHAPES, START, fill

ENTRIES = 300_000
"""Few enough for a test, and treated like millions: nothing is read as a whole."""
UNHURRIED = Budget(seconds=60, sample_seconds=20, whole_seconds=60)
"""Bounded by what is read, not by time: a busy machine reads as much as a quiet one."""

AS_IF_LARGE = replace(UNHURRIED, whole_entries=0, slice_entries=30_000)


@pytest.fixture
def mongod(tmp_path: Path) -> Any:
    """Return a mongod outside of any replica set, which lets its oplog be filled."""
    with tempfile.TemporaryDirectory(prefix="oplog-") as directory:
        process = Mongod(find_mongod(), Path(directory), ["--wiredTigerCacheSizeGB", "1"])
        process.start()
        process.wait()
        try:
            yield process
        finally:
            process.stop()
            process.release()


def read(client: MongoClient[dict[str, Any]], exact: bool, budget: Budget) -> dict[str, Any]:
    """Read the rate of writing like the module does."""
    with connection.described("it"):
        _, window = connection.window(client)
        return read_rates(connection.oplog(client), window, exact, None, budget)


@pytest.mark.parametrize("shape", ["uniform", "bursty", "spikes", "huge"])
def test_the_estimate_is_close(shape: str, mongod: Mongod) -> None:
    """The 95th percentile is within 15 % of the exact one, the peak within 25 %, without reading the oplog as a whole."""
    with mongod.client() as client:
        fill(client, SHAPES[shape], ENTRIES)
        exact, found = read(client, True, UNHURRIED), read(client, False, AS_IF_LARGE)
    print(f"{shape}: exact {exact}\nfound {found}")
    assert exact["exact"]
    assert not found["exact"]
    assert found["p95_bytes_per_second"] == pytest.approx(exact["p95_bytes_per_second"], rel=0.15)
    assert found["peak_bytes_per_second"] == pytest.approx(exact["peak_bytes_per_second"], rel=0.25)
    assert found["mean_bytes_per_second"] == pytest.approx(exact["mean_bytes_per_second"], rel=0.01)
    assert ENTRIES == pytest.approx(exact["entries_read"], rel=0.01)


def test_an_estimate_that_is_off_says_so(mongod: Mongod) -> None:
    """Writes in two seconds of each minute mislead slices. Where there is no time to find that out, it is called rough."""
    with mongod.client() as client:
        fill(client, SHAPES["ticks"], ENTRIES)
        exact = read(client, True, UNHURRIED)
        hurried = read(client, False, Budget(whole_entries=0, slice_entries=30_000, seconds=0.25))
        found = read(client, False, AS_IF_LARGE)
    for each in (hurried, found):
        close = each["p95_bytes_per_second"] == pytest.approx(exact["p95_bytes_per_second"], rel=0.15)
        assert close or each["cut_short"]


def test_what_is_read_is_bounded_by_the_budget(mongod: Mongod) -> None:
    """Steady writes need slices and nothing else, so what is read is the budget however large the oplog is."""
    with mongod.client() as client:
        fill(client, SHAPES["uniform"], ENTRIES)
        found = read(client, False, replace(UNHURRIED, whole_entries=0, slice_entries=100_000))
    assert 80_000 < found["entries_read"] < 120_000
    assert not found["exact"]


def test_a_small_oplog_is_read_as_a_whole(mongod: Mongod) -> None:
    """It costs less than an estimate, and the sum is exact."""
    with mongod.client() as client:
        fill(client, SHAPES["bursty"], 5000)
        found = read(client, False, UNHURRIED)
        size = client.local.command("collStats", "oplog.rs")["size"]
    assert found["exact"]
    assert size == pytest.approx(found["mean_bytes_per_second"] * DAY, rel=0.01)
    assert START <= found["buckets"][0]["start"] < START + 600


def test_time_that_runs_out_is_said(mongod: Mongod) -> None:
    """The server ends a command that takes too long; what is known by then is returned, and called rough."""
    with mongod.client() as client:
        fill(client, SHAPES["huge"], 50_000)
        found = read(client, False, Budget(seconds=0.15, whole_seconds=0.01))
    assert found["cut_short"]
    assert not found["exact"]
    assert found["entries_read"] < 50_000
