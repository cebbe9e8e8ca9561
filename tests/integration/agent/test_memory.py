"""The agent's memory is bounded, whatever the size of documents, transactions and backlogs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Agent, an_agent, assert_equal

from lab import Member, ReplicaSet

pytestmark = pytest.mark.release

LIMIT_MB = 150
LARGEST = 16 * 1024 * 1024 - 4096
TRANSACTION_DOCUMENTS = 64
"""Of almost 16 MB each: together 1 GB."""
BACKLOG = 200_000


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a set that can hold a transaction of 1 GB in its caches and its oplogs."""
    eviction = (
        "eviction_dirty_trigger=80,eviction_dirty_target=75,eviction_updates_trigger=75,eviction_updates_target=70"
    )
    wide = ("--wiredTigerEngineConfigString", eviction)  # or the source itself refuses so large a transaction
    members = [Member(priority=2, mongod_args=wide), Member(mongod_args=wide)]
    directory = tmp_path_factory.mktemp("rs")
    with ReplicaSet("rs0", members, oplog_mb=4096, cache_gb=4, directory=directory) as replica_set:
        yield replica_set


def peak_mb(agent: Agent, phase: str) -> float:
    """Return and print the peak of the agent's resident memory since the last call, and start over."""
    process = Path(f"/proc/{agent.pid}")
    lines = (process / "status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    (process / "clear_refs").write_text("5")  # resets the peak, see proc(5)
    print(f"peak RSS of the agent while {phase}: {peak:.0f} MB, limit {LIMIT_MB} MB")
    return peak


def test_peak_memory_stays_below_its_limit(roomy: ReplicaSet, tmp_path: Path) -> None:
    """Copying documents of 16 MB, replaying a transaction of 1 GB, and catching up with a backlog at full speed."""
    payload = os.urandom(LARGEST)
    peaks = {}
    with roomy.client(w="majority") as client, an_agent(tmp_path, roomy) as agent:
        for number in range(18):
            client.shop[f"large{number % 3}"].insert_one({"_id": number, "b": payload})
        agent.start()
        agent.wait_operation(seconds=300)
        peaks["copy"] = peak_mb(agent, "copying and proving documents of 16 MB")
        with client.start_session() as session, session.start_transaction():
            for number in range(TRANSACTION_DOCUMENTS):
                client.shop.huge.insert_one({"_id": number, "b": payload}, session=session)
        assert_equal(agent, roomy, 300)
        peaks["transaction"] = peak_mb(agent, "replaying a transaction of 1 GB")
        agent.stop()
        for start in range(0, BACKLOG, 10_000):
            client.shop.small.insert_many([{"_id": i, "n": i, "pad": "y" * 300} for i in range(start, start + 10_000)])
            client.shop.small.update_many({"_id": {"$gte": start}}, {"$inc": {"n": 1}})
        agent.start()
        agent.wait_state("tailing")
        assert_equal(agent, roomy, 300)
        peaks["tailing"] = peak_mb(agent, f"catching up with {2 * BACKLOG} operations")
    assert {} == {phase: peak for phase, peak in peaks.items() if peak > LIMIT_MB}
