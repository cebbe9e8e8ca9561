"""Initial sync and resync of a live set by a real agent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bson.timestamp import Timestamp
from harness import Agent, an_agent, assert_equal, wait_until
from prepared import Prepared

from backup_agent.config import load
from backup_agent.state.store import Store
from lab import ReplicaSet, Writer, roll_over

MIX = {"insert": 45, "update": 30, "delete": 10, "transaction": 14, "index": 1}


@contextlib.contextmanager
def watched(replica_set: ReplicaSet, number: int) -> Iterator[Callable[[], list[str]]]:
    """Let a member's own profiler record what the agent asks of its user data; gives the recorded commands."""
    with replica_set.member_client(number) as client:
        shop = client["shop"]
        shop.command({"profile": 1, "filter": {"appName": {"$regex": "^backup-agent"}}})
        try:
            yield lambda: sorted(
                str(found["op"]) for found in shop["system.profile"].find({"ns": {"$ne": "shop.system.profile"}})
            )
        finally:
            shop.command({"profile": 0, "filter": "unset"})
            if number == replica_set.primary():  # a secondary keeps its own: nobody may write there
                shop.drop_collection("system.profile")


def test_the_copy_of_a_live_set_is_equal_and_was_not_read_from_its_primary(source: ReplicaSet, tmp_path: Path) -> None:
    """An initial sync under writes, transactions and index builds ends equal, and the primary served no read of it.

    The repository is made for it, and its report is a file that says the same as the command line.
    """
    primary = source.primary()
    secondaries = [n for n in range(3) if n != primary]
    with an_agent(tmp_path, source, repository=False) as agent, contextlib.ExitStack() as stack:
        seen = {number: stack.enter_context(watched(source, number)) for number in range(3)}
        with Writer(source.uri, rate=50, mix=MIX, collections=4) as writer:
            writer.wait_for(100)
            agent.start()
            operation = agent.wait_operation()
            writer.wait_for(50)
        assert_equal(agent, source)
        # The profiler sees the agent where it reads, so its silence on the primary means something.
        assert any("query" in seen[number]() for number in secondaries)
        assert [] == seen[primary]()
    result = operation["result"]
    written = json.loads(Path(result["report"]).read_text())["operation"]
    assert (operation["id"], "done", result["proof"]) == (written["id"], written["state"], written["result"]["proof"])
    assert set(result["sources"]) <= {source.addresses[n] for n in secondaries}
    assert result["validation"]["equal"]
    assert result["validation"]["compared"] >= 4
    assert result["proof"]["equal"]
    assert 0 < result["documents_copied"] <= result["proof"]["documents"] * 2


def test_a_roll_over_is_named_and_a_resync_repairs_it(source: ReplicaSet, synced: Prepared, tmp_path: Path) -> None:
    """An agent that was down while the oplog rolled over says so, keeps its snapshots, and a resync makes it equal again."""
    with synced.agent(tmp_path) as agent:
        captured = agent.status()["captured"]
        roll_over(source.uri, past=Timestamp(captured["time"] + 1, 0))
        agent.start()
        alert = agent.wait_state("resync_required")["alerts"][0]
        assert ("resync_required", "oplog_rolled_over") == (alert["kind"], alert["cause"])
        assert agent.status()["last_proven_snapshot"] is not None
        code, started = agent.call("resync", "--owner", "tests")
        assert (0, True) == (code, started["changed"])
        agent.wait_operation(identifier=started["operation"]["id"])
        assert [] == agent.wait_state("tailing")["alerts"]
        assert_equal(agent, source)
        code, again = agent.call("resync", "--owner", "tests")
        assert (0, False, False) == (code, again["changed"], again["needed"])
        assert 2 == len(agent.call("snapshots")[1]["snapshots"])


def test_a_missing_document_is_found_by_the_strict_count(source: ReplicaSet, synced: Prepared, tmp_path: Path) -> None:
    """A document deleted behind the agent's back and then updated at the source stops the job as unsafe_apply_ops, named."""
    with synced.agent(tmp_path) as agent, source.client() as client:
        agent.start()
        agent.wait_state("tailing")
        client["tests"]["lost"].insert_one({"_id": "lost", "n": 1})
        assert_equal(agent, source)
        with agent.head(1) as head:
            assert 1 == head["tests"]["lost"].delete_one({"_id": "lost"}).deleted_count
        client["tests"]["lost"].update_one({"_id": "lost"}, {"$set": {"n": 2}})
        alert = agent.wait_state("resync_required")["alerts"][0]
        assert "unsafe_apply_ops" == alert["cause"]
        assert "lost" in alert["detail"]["message"]
        assert "tests.lost" in alert["detail"]["message"]
        agent.call("resync", "--owner", "tests")
        agent.wait_operation()
        assert_equal(agent, source)


def test_a_broken_head_is_corruption(source: ReplicaSet, synced: Prepared, tmp_path: Path) -> None:
    """A head whose files no longer open stops the job as corruption, with the words of mongod's log."""
    with synced.agent(tmp_path) as agent:
        data = tmp_path / "job" / "generations" / "000001" / "head" / "data"
        (data / "WiredTiger.turtle").write_bytes(b"broken")
        (data / "WiredTiger.wt").write_bytes(b"broken")
        agent.start()
        alert = agent.wait_state("resync_required")["alerts"][0]
        assert "corruption" == alert["cause"]
        agent.call("resync", "--owner", "tests")
        agent.wait_operation()
        assert_equal(agent, source)


def test_validation_names_what_differs(source: ReplicaSet, synced: Prepared, tmp_path: Path) -> None:
    """One changed byte, one missing document and one missing index in the head fail a validation run, and each is named."""
    with synced.agent(tmp_path) as agent, source.client() as client:
        agent.start()
        for name in ("byte", "document", "index"):
            client["marked"][name].insert_one({"_id": f"the {name}", "v": "a"})
            client["marked"][name].create_index("v")
        assert_equal(agent, source)
        with agent.head(1) as head:
            head["marked"]["byte"].update_one({"_id": "the byte"}, {"$set": {"v": "b"}})
            head["marked"]["document"].delete_one({"_id": "the document"})
            head["marked"]["index"].drop_index("v_1")
        agent.call("validate", "--owner", "tests")
        operation = agent.wait_operation("failed")
        differences = sorted(operation["result"]["validation"]["differences"])
        # Ids are values of documents: a word stands for each, and the file beside says for which.
        named = {"byte": "expected the source's bytes", "document": "documents.jsonl", "index": "v_1"}
        assert len(named) == len(differences)
        for found, (name, what) in zip(differences, named.items(), strict=True):
            assert f"marked.{name}" in found
            assert what in found
        assert "corruption" == agent.wait_state("resync_required")["alerts"][0]["cause"]
        client.drop_database("marked")


def test_a_scratch_copy_that_lost_a_document_fails_the_proof(source: ReplicaSet, tmp_path: Path) -> None:
    """Broken files in the restored scratch copy make the proof fail; the snapshot is marked bad."""
    script = tmp_path / "tamper.py"
    script.write_text(
        "#!/usr/bin/env python3\nimport os, pathlib\nprint(os.environ)\n"
        "path = pathlib.Path(os.environ['FAILPOINT_DIRECTORY'])\n"
        "for file in path.rglob('collection-*.wt'):\n"
        "    data = bytearray(file.read_bytes())\n"
        "    if len(data) > 200_000:\n"  # which of these is the oplog, and which bytes are free, differs between versions
        "        data[8192::4096] = bytes(byte ^ 0xFF for byte in data[8192::4096])\n"
        "        file.write_bytes(data)\n"
    )
    script.chmod(0o755)
    with an_agent(tmp_path, source) as agent:
        agent.start(proof_restored=f"run:{script}")
        operation = agent.wait_operation("failed")
        assert "prove" == operation["step"]
        assert "bad" == agent.call("snapshots")[1]["snapshots"][0]["state"]
        assert agent.status()["last_proven_snapshot"] is None


def copied(agent: Agent) -> list[str]:
    """Return the collections that the sync in progress has copied."""
    with contextlib.closing(Store(load(agent.file).state_file)) as store:
        syncing = store.generation("syncing")
    return [c.namespace for c in (syncing.sync.collections if syncing else ()) if c.done]


def test_the_loss_of_the_source_during_the_copy_is_survived(source: ReplicaSet, tmp_path: Path) -> None:
    """A stepdown of the primary and the death of the member that is read from do not end an initial sync, and it ends equal."""
    hidden = 2
    with an_agent(tmp_path, source, copy_threads=1) as agent:
        with Writer(source.uri, rate=50, mix=MIX, collections=4) as writer:
            writer.wait_for(20)
            agent.start(copy_collection_done="stop:2")
            wait_until("the copy runs", lambda: copied(agent))
            source.kill_member(hidden)
            try:
                source.stepdown()
                operation = agent.wait_operation()
            finally:
                source.restart_member(hidden)
        source.wait_healthy()
        assert_equal(agent, source)
    assert operation["result"]["validation"]["equal"]
