"""Documents that no driver would write: their bytes pass through, and an entry that the head cannot take is named."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.binary import Binary, UuidRepresentation
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from harness import Agent, an_agent, assert_equal, contents, started, wait_until
from hold import Hold
from odd import raw
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from backup_agent.values import RAW
from lab import Member, ReplicaSet


def odd(**fields: Any) -> RawBSONDocument:
    """Return a document in which `¤` is no UTF-8."""
    return raw(fields)


@pytest.fixture(scope="module")
def odds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a set that holds such documents already."""
    with ReplicaSet("rs0", [Member(priority=2), Member(priority=0)], directory=tmp_path_factory.mktemp("rs")) as found:
        with found.client(w="majority") as client:
            written(client).insert_many([odd(_id=17, s="¤", n=0.0), odd(_id="¤", t=Timestamp(0, 0)), odd(_id={"¤": 1})])
        yield found


def written(client: Any) -> Collection[RawBSONDocument]:
    """Return the collection with the odd documents."""
    found: Collection[RawBSONDocument] = client.get_database("shop", codec_options=RAW)["odd"]
    return found


def test_what_is_no_utf_8_passes_through(odds: ReplicaSet, tmp_path: Path) -> None:
    """In a copy, in an oplog that is tailed, in a validation, in a proof and in a restore: strings are bytes."""
    with an_agent(tmp_path / "a", odds) as agent, odds.client(w="majority") as client:
        agent.start()
        agent.wait_operation()
        assert_equal(agent, odds)
        there = written(client)
        identity = Binary.from_uuid(uuid.uuid4(), UuidRepresentation.STANDARD)
        there.insert_one(odd(_id=identity, s="¤", t=Timestamp(0, 0), **{"¤": Timestamp(0, 0)}))
        there.insert_one(odd(_id="¤ changed", pad="x" * 300))
        there.update_one(odd(_id="¤ changed"), odd(**{"$set": {"s": "¤"}}))
        there.replace_one(odd(_id={"¤": 1}), odd(s="¤¤", zero=Timestamp(0, 0)))
        there.insert_one(odd(_id="¤ gone"))
        there.delete_one(odd(_id="¤ gone"))
        assert_equal(agent, odds)
        assert agent.call("validate", "--level", "digest", "--owner", "tests")[0] == 0
        assert agent.wait_operation()["result"]["validation"]["equal"]
        assert agent.call("snapshot", "--name", "odd", "--prove", "--owner", "tests")[0] == 0
        agent.wait_operation()
        assert agent.status()["last_proven_snapshot"]["name"] == "odd"
        with agent.head(1) as head:
            written(head).update_one(odd(_id="¤ changed"), odd(**{"$set": {"s": "other"}}))
        assert agent.call("validate", "--level", "digest", "--owner", "tests")[0] == 0
        found = agent.wait_operation(state="failed")["error"]["message"]
        assert "shop.odd" in found


def test_an_entry_that_kills_the_head_is_applied_another_way(odds: ReplicaSet, tmp_path: Path) -> None:
    """The stage for diffs ends the head's mongod at a field that its document holds twice; a restore goes the same way."""
    with an_agent(tmp_path / "a", odds, archive_interval_minutes=0.02) as agent, odds.client(w="majority") as client:
        agent.start()
        agent.wait_operation()
        assert agent.call("snapshot", "--name", "before", "--owner", "tests")[0] == 0
        agent.wait_operation()
        there = written(client)
        there.insert_one(odd(_id="double", twice=1, **{"twice~": 2}, pad="x" * 300))
        there.insert_many([odd(_id=f"b{number}") for number in range(20)])
        there.update_one({"_id": "double"}, {"$set": {"twice": 5}})
        there.insert_many([odd(_id=f"c{number}") for number in range(20)])
        secondary_equals_head(agent, odds)
        assert "the head died" in agent.log
        assert [] == agent.status()["alerts"]
        applied = agent.status()["captured"]
        archived = wait_until("it is stored", lambda: stored_to(agent, applied["time"]))
        target = tmp_path / "target"
        code, answer = agent.call("restore", "--target", str(target), "--at", archived)
        assert (0, True) == (code, answer["ok"]), answer
        with odds.member_client(1) as member, started(target, tmp_path) as restored:
            assert contents(member)["shop.odd"] == contents(restored)["shop.odd"]


@pytest.mark.release
def test_several_such_entries_end_no_sync(odds: ReplicaSet, tmp_path: Path) -> None:
    """They are met while a copy is made consistent: the deaths of its head are no failures of the operation."""
    with an_agent(tmp_path / "a", odds, copy_threads=1) as agent, odds.client(w="majority") as client:
        there = written(client)
        there.insert_many([odd(_id=f"sync {n}", twice=1, **{"twice~": 2}, pad="x" * 300) for n in range(2)])
        hold = Hold(tmp_path)
        agent.start(copy_collection_done=hold.action)
        hold.wait()
        for number in range(2):
            there.update_one({"_id": f"sync {number}"}, {"$set": {"twice": 5}})
        hold.release()
        agent.wait_operation()
        secondary_equals_head(agent, odds)
        assert agent.log.count("the head died") > 4
        there.delete_many({"_id": {"$regex": "^sync"}})


@pytest.mark.release
def test_such_an_entry_beside_a_capped_insert_is_applied(odds: ReplicaSet, tmp_path: Path) -> None:
    """A batch that was begun outside of its transaction may not be cut: all of it is written whole."""
    with an_agent(tmp_path / "a", odds) as agent, odds.client(w="majority") as client:
        client["shop"].create_collection("log", capped=True, size=100_000)
        written(client).insert_one(odd(_id="capped", twice=1, **{"twice~": 2}, pad="x" * 300))
        agent.start()
        agent.wait_operation()
        agent.stop()
        client["shop"]["log"].insert_one({"_id": 1})
        written(client).update_one({"_id": "capped"}, {"$set": {"twice": 5}})
        client["shop"]["log"].insert_one({"_id": 2})
        agent.start()
        secondary_equals_head(agent, odds)
        assert [] == agent.status()["alerts"]
        agent.stop()
        client["shop"].drop_collection("log")


def stored_to(agent: Agent, seconds: int) -> str | None:
    """Return until when oplog is stored, once that is not before a second."""
    found = agent.status()["archive"]
    return found["through"]["iso"] if found and found.get("through") and found["through"]["time"] >= seconds else None


def secondary_equals_head(agent: Agent, replica_set: ReplicaSet) -> None:
    """Wait until the head is what the secondary is: of a field that is there twice, the primary changes the first alone."""

    def equal() -> bool:
        with replica_set.member_client(1) as member, agent.head(1) as head, contextlib.suppress(PyMongoError):
            return bool(contents(member) == contents(head))
        return False  # the head is being started again

    wait_until("the head is what the secondary is", equal)


KILLER = """#!/bin/sh
[ "$FAILPOINT_NAMESPACE" = shop.poison ] || exit 0
kill -ABRT $(cat {job}/generations/*/head/data/mongod.lock)
sleep 5
"""


@pytest.mark.release
def test_an_entry_that_kills_the_head_each_time_is_named(odds: ReplicaSet, tmp_path: Path) -> None:
    """What comes before it is applied, then the job stops with its name: it is not met for ever."""
    program = tmp_path / "killer.sh"
    program.write_text(KILLER.format(job=tmp_path / "a" / "job"))
    program.chmod(0o755)
    with an_agent(tmp_path / "a", odds) as agent, odds.client(w="majority") as client:
        agent.start(apply_group=f"run:{program}")
        agent.wait_operation()
        client["shop"].create_collection("poison")
        with client.start_session() as session, session.start_transaction():
            client["shop"]["good"].insert_many([{"_id": number} for number in range(5)], session=session)
            client["shop"]["poison"].insert_one({"_id": 1}, session=session)
        alert = wait_until("it stops", lambda: next(iter(agent.status()["alerts"]), None))
        assert ("stopped", "unsupported_operation") == (alert["kind"], alert["cause"])
        assert alert["detail"]["message"].startswith("i on shop.poison at 20")
        assert "died of it each time" in alert["detail"]["message"]
        assert "stopped" == agent.status()["state"]
        client["shop"].drop_collection("poison")
