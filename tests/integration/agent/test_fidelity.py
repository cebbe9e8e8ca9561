"""What the source has, the head has: every act of a database, copied, during the copy, and tailed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import acts
import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from harness import Json, an_agent, assert_equal
from hold import Hold

from backup_agent.replay.rules import COMMANDS, OPERATIONS, Action
from lab import Member, ReplicaSet, Writer

PARAMETERS = {
    "enableTestCommands": 1,
    "ttlMonitorEnabled": False,
    "ttlMonitorSleepSecs": 1,
    "maxNumberOfTransactionOperationsInSingleOplogEntry": 10,
}
"""Transactions can be prepared by command and soon take several entries; documents expire only when an act asks for it."""


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a set with users, so that the agent reads with no more rights than the documents say."""
    where = tmp_path_factory.mktemp("walk")
    members = [Member(priority=2), Member()]
    sizes = {"oplog_mb": 512, "cache_gb": 1}  # on a busy machine large transactions do not fit into a smaller cache
    with ReplicaSet("rs0", members, **sizes, auth=True, directory=where, set_parameters=PARAMETERS) as replica_set:
        with replica_set.client() as client:  # to prepare transactions, as only the server itself may
            client.admin.command("grantRolesToUser", "root", roles=["__system"])
        yield replica_set


def seen_in(replica_set: ReplicaSet) -> set[tuple[str, str]]:
    """Return the kinds of entries and commands in the source's oplog, those inside transactions too."""
    found = set()
    any_bytes = CodecOptions[Json](
        datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
    )
    with replica_set.client() as client:
        oplog = client.local.get_collection("oplog.rs", codec_options=any_bytes)
        for entry in oplog.find({}, {"op": 1, "o": 1}):
            inner = entry["o"].get("applyOps", []) if entry["op"] == "c" else []
            for one in [entry, *inner]:
                found.add((one["op"], next(iter(one["o"]), "") if one["op"] == "c" else ""))
    return found


def test_every_act_is_replayed_exactly(walked: ReplicaSet, tmp_path: Path) -> None:
    """Each act is copied, changed while the copy stands still, done wholly during the copy, and tailed; all ends equal.

    Some begin before the copy and end in it. A writer goes on through all of this.
    """
    hold = Hold(tmp_path)
    with walked.client(w="majority") as client, an_agent(tmp_path, walked, copy_threads=1) as agent:
        with Writer(walked.uri, rate=20, mix=LOAD) as writer:
            copied, during = acts.begin(client, "walk_copied"), acts.begin(client, "walk_during")
            spanning = acts.begin(client, "walk_spanning", acts.SPANNING)
            agent.start(copy_collection_done=hold.action)
            hold.wait()
            acts.finish(spanning)
            acts.finish(during)
            acts.finish(acts.begin(client, "walk_whole"))
            hold.release()
            agent.wait_operation(seconds=300)
            counts = writer.stop()
        assert_equal(agent, walked, 180)
        with Writer(walked.uri, rate=20, mix=LOAD):
            acts.finish(copied)
            acts.finish(acts.begin(client, "walk_tailed"))
        compared = assert_equal(agent, walked, 180)
        status = agent.status()
        assert (client.server_info()["version"], []) == (status["source_version"], status["warnings"])
        assert agent.call("validate", "--level", "digest", "--owner", "tests")[0] == 0
        result = agent.wait_operation(seconds=300)["result"]["validation"]
    print(f"{len(acts.ACTS) + len(acts.SPANNING)} acts, {len(compared)} collections and views, load: {counts}")
    assert counts["operations"] > 0
    assert len(compared) > 4 * len(acts.ACTS)
    assert (True, []) == (result["equal"], result["not_compared"])


NOT_WRITTEN = {
    ("km", ""): "keys of another cluster, during a migration between clusters",
    ("ci", ""): "8.x",
    ("cu", ""): "8.x",
    ("cd", ""): "8.x",
    ("c", "deleteIndexes"): "the old name of dropIndexes",
    ("c", "setMultikeyMetadata"): "7.0",
    ("c", "dropIdent"): "8.x",
}
"""What no server that runs here writes, and who does."""

NOT_BEFORE_6 = {("c", "emptycapped"): "the head of an older server cannot carry it out: the agent stops and names it"}
LOAD = {"insert": 50, "update": 30, "delete": 10, "transaction": 9, "index": 1}


def test_the_acts_walk_the_whole_table(walked: ReplicaSet) -> None:
    """Every rule of the table but those that stop the job was met in the oplog, or is written by no server that runs here."""
    rules = [(op, "", rule) for op, rule in OPERATIONS.items()] + [("c", name, rule) for name, rule in COMMANDS.items()]
    wanted = {(op, name) for op, name, rule in rules if rule.action is not Action.STOP}
    assert seen_in(walked) & wanted, "zero entries compared"
    with walked.client() as client:
        unwritten = NOT_WRITTEN | ({} if client.server_info()["versionArray"][0] >= 6 else NOT_BEFORE_6)
    print("left out:", sorted(acts.SKIPPED))
    assert set() == wanted - seen_in(walked) - unwritten.keys()
