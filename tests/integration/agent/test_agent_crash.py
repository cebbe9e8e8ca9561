"""kill -9 of the agent and of its head, at named points, always ending in the exact comparison."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import Agent, an_agent, assert_equal
from prepared import Prepared

from backup_agent.config import load
from backup_agent.state.store import Store
from lab import ReplicaSet, Writer

MIX = {"insert": 45, "update": 30, "delete": 10, "transaction": 14, "index": 1}


def crash(agent: Agent, source: ReplicaSet, point: str) -> None:
    """Run into a failure point under writes, start again, and require the exact comparison."""
    with Writer(source.uri, rate=50, mix=MIX, collections=4) as writer:
        agent.stop()
        agent.start(**{point: "kill"})
        writer.wait_for(50)
        agent.wait_dead()
        agent.start()
        writer.wait_for(50)
    agent.wait_state("tailing")
    assert_equal(agent, source)


def test_a_crash_anywhere_in_tailing_loses_and_doubles_nothing(
    source: ReplicaSet, synced: Prepared, tmp_path: Path
) -> None:
    """kill -9 of the agent before and after each write of capture and apply, and of the head, always ends equal."""
    with synced.agent(tmp_path) as agent:
        agent.start()
        for point in ("capture_write", "capture_written", "apply_before_commit", "apply_after_commit"):
            crash(agent, source, point)
        with Writer(source.uri, rate=50, mix=MIX, collections=4) as writer:
            writer.wait_for(50)
            with agent.head(1) as head:
                pid = int(head.admin.command("serverStatus")["pid"])
            os.kill(pid, signal.SIGKILL)
            writer.wait_for(50)
        assert_equal(agent, source)


def test_a_crash_after_a_capped_collection_was_written_repeats_that_batch_only(
    source: ReplicaSet, synced: Prepared, tmp_path: Path
) -> None:
    """A transaction holds no capped collection: after kill -9 the same batch is known again, whatever has come since."""
    with synced.agent(tmp_path) as agent, source.client(w="majority") as client:
        ring = client.shop.create_collection("ring", capped=True, size=1024 * 1024, max=150)
        agent.start()
        for _ in range(12):
            client.shop.bulk.insert_one({"pad": os.urandom(1024 * 1024)})
        assert_equal(agent, source)  # so that a restart reads a slice from far before the position
        agent.stop()
        ring.insert_many([{"_id": number} for number in range(100)])
        agent.start(apply_capped="kill")
        assert -signal.SIGKILL == agent.wait_dead(), "it was written, and its position was not"
        ring.insert_many([{"_id": number} for number in range(100, 200)])
        agent.start()
        agent.wait_state("tailing")
        assert_equal(agent, source)
        ring.drop()
        client.shop.bulk.drop()


# The others are rows of the crash matrix.
@pytest.mark.parametrize("point", ["copy_done", pytest.param("switch_before", marks=pytest.mark.release)])
def test_a_crash_anywhere_in_a_sync_is_resumed(source: ReplicaSet, tmp_path: Path, point: str) -> None:
    """kill -9 of the agent inside an initial sync: the next start goes on with the same operation, and it ends equal.

    The head ends with it, and replays its own oplog at its next start: what becomes capped later must not lose its order by that.
    """
    with an_agent(tmp_path, source) as agent, source.client(w="majority") as client:
        ring = client.shop.create_collection("ring", capped=True, size=1024 * 1024, max=150)
        ring.insert_many([{"_id": number} for number in range(200)])
        with Writer(source.uri, rate=50, mix=MIX, collections=4) as writer:
            writer.wait_for(20)
            agent.start(**{point: "kill"})
            agent.wait_dead()
            interrupted = agent.operation()["id"]
            agent.start()
            operation = agent.wait_operation()
        assert interrupted == operation["id"]
        assert_equal(agent, source)
        ring.drop()


@contextlib.contextmanager
def copy_reads(replica_set: ReplicaSet) -> Iterator[Callable[[], Counter[str]]]:
    """Let every member's own profiler record what is copied from it; gives how often each collection of `shop` was begun."""
    with contextlib.ExitStack() as stack:
        shops = [stack.enter_context(replica_set.member_client(number))["shop"] for number in range(3)]
        for shop in shops:
            shop.command({"profile": 1, "filter": {"appName": {"$regex": "^backup-agent"}, "op": "query"}})

        def counted() -> Counter[str]:
            found = [entry for shop in shops for entry in shop["system.profile"].find({"op": "query"})]
            return Counter(entry["ns"] for entry in found if "$natural" in entry["command"].get("hint", {}))

        try:
            yield counted
        finally:
            for number, shop in enumerate(shops):
                shop.command({"profile": 0, "filter": "unset"})
                if number == replica_set.primary():
                    shop.drop_collection("system.profile")


def test_an_interrupted_sync_reads_no_collection_again_that_was_done(source: ReplicaSet, tmp_path: Path) -> None:
    """kill -9 after the first and after the second collection: the source is asked for the others only."""

    def done() -> set[str]:
        with contextlib.closing(Store(load(agent.file).state_file)) as store:
            syncing = store.generation("syncing")
        assert syncing is not None
        return {c.namespace for c in syncing.sync.collections if c.done and not c.view}

    with an_agent(tmp_path, source, copy_threads=1) as agent, copy_reads(source) as reads:
        for copied in (1, 2):
            agent.start(copy_collection_done="kill")
            agent.wait_dead()
            kept = {name for name in done() if name.startswith("shop.")}
            assert copied == len(done())
        before = reads()
        agent.start()
        operation = agent.wait_operation()
        again = reads() - before
        assert_equal(agent, source)
    with source.client() as client:
        every = {f"shop.{name}" for name in client["shop"].list_collection_names() if name != "system.profile"}
    assert kept, "a collection of shop was done before the interruption"
    assert all(before[name] for name in kept)
    assert every - kept == set(again), "what was not done is read, and nothing else"
    assert operation["result"]["documents_copied"] > 0


@pytest.mark.parametrize("then", ["canceled", "failed"])
def test_a_proof_that_was_killed_leaves_no_copy(source: ReplicaSet, tmp_path: Path, then: str) -> None:
    """kill -9 while a restored copy lies in clear beside the job: the next start removes it, whatever becomes of the proof."""
    with an_agent(tmp_path, source) as agent, source.client(w="majority") as client:
        client.shop.proven.insert_many([{"_id": number} for number in range(100)])
        agent.start()
        agent.wait_operation()
        agent.stop()
        agent.start(proof_started="kill")
        agent.wait_state("tailing")
        assert agent.call("snapshot", "--name", "now", "--prove", "--owner", "tests")[0] == 0
        agent.wait_dead()
        copies = tmp_path / "job" / "scratch"
        assert [*copies.glob("now/data/*.wt")], "data that anybody can read who has the disk"
        if then == "canceled":
            assert agent.call("resync", "--cancel", agent.operation()["id"])[0] == 0
        agent.start(**({} if then == "canceled" else {"proof_restored": "error"}))
        agent.wait_operation(then)
        assert not [*copies.rglob("*.wt")]
        client.shop.proven.drop()
