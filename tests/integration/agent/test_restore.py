"""Restore from the repository: snapshots and points in time, here and on a machine that has nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp
from harness import Agent, Client, an_agent, command, contents, started, wait_until

from backup_agent.capture.slices import files
from backup_agent.state.store import Store
from lab import Member, ReplicaSet
from lab.binaries import find_mongod

Json = dict[str, Any]


@dataclass
class Past:
    """What the source held at an optime."""

    at: Timestamp
    held: Json

    @property
    def text(self) -> str:
        """The optime as the command line takes it."""
        return f"{self.at.time}:{self.at.inc}"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a primary and a secondary; a busy machine must not keep the large transactions out of their caches."""
    members, directory = [Member(priority=2), Member()], tmp_path_factory.mktemp("rs")
    with ReplicaSet("rs0", members, oplog_mb=256, cache_gb=1, directory=directory) as replica_set:
        yield replica_set


@dataclass
class Stored:
    """A repository with a snapshot and the oplog after it, and what the source held on the way."""

    agent: Agent
    pasts: list[Past]

    @property
    def options(self) -> list[str]:
        """What a machine that has lost everything else still knows."""
        repository = self.agent.settings["repository"]
        me = pwd.getpwuid(os.geteuid()).pw_name  # root has to say that root it is to be
        return ["--repository", repository["location"], "--password-file", repository["password_file"], "--as", me]


def now(client: Client) -> Past:
    """Return what the source holds, and at which optime."""
    note = client.admin.command("appendOplogNote", 1, data={"msg": "past"}, writeConcern={"w": "majority"})
    return Past(note["operationTime"], contents(client))


def change(client: Client, number: int) -> None:
    """Write something of everything: documents, a transaction of several entries, a capped collection, an index, a rename."""
    shop = client.shop
    shop.c.insert_many([{"_id": f"{number}-{i}", "n": i} for i in range(200)])
    shop.c.update_many({"n": {"$gt": 150}}, {"$inc": {"n": number}})
    shop.c.delete_many({"n": 3})
    with client.start_session() as session, session.start_transaction():
        for part in range(4):
            shop.big.insert_one({"_id": f"{number}-{part}", "b": os.urandom(5_000_000)}, session=session)
    shop.cap.insert_many([{"_id": f"{number}-{i}"} for i in range(7)])
    shop.c.create_index(f"k{number}")
    shop[f"old{number}"].insert_one({})
    shop[f"old{number}"].rename(f"new{number}")


@pytest.fixture(scope="module")
def stored(pair: ReplicaSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Let an agent store a snapshot and archives of the oplog, then lose its machine: all but the repository is deleted."""
    with (
        pair.client(w="majority") as client,
        an_agent(tmp_path_factory.mktemp("agent"), pair, archive_interval_minutes=0.02) as agent,
    ):
        client.shop.create_collection("cap", capped=True, size=4096, max=5)
        change(client, 0)
        agent.start()
        agent.wait_operation()
        pasts = []
        for number in (1, 2, 3):
            change(client, number)
            pasts.append(now(client))
        client.shop.drop_collection("c")
        last = now(client)
        wait_until("the oplog is in the repository", lambda: archived(agent) >= last.at, 120)
        agent.stop()
        shutil.rmtree(agent.settings["directory"])
        yield Stored(agent, [*pasts, last])


def archived(agent: Agent) -> Timestamp:
    """Return up to where the oplog is in the repository."""
    archive = agent.status()["archive"] or {}
    through = archive.get("through") or {"time": 0, "increment": 0}
    return Timestamp(through["time"], through["increment"])


@pytest.mark.parametrize("number", [0, 3])
def test_a_point_in_time_is_what_the_source_held_then(stored: Stored, tmp_path: Path, number: int) -> None:
    """From repository and password alone, at an optime between writes, the restored directory equals the source of that time."""
    past, target = stored.pasts[number], tmp_path / "target"
    code, found = command(
        "restore", *stored.options, "--target", str(target), "--mongod", str(find_mongod()), "--at", past.text
    )
    assert code == 0, found
    assert found["restore"]["entries"] > 100 * number
    with started(target, tmp_path) as client:
        assert contents(client) == past.held


REPLACING = """#!/bin/sh
[ -e {here}/replaced ] && exit 0
touch {here}/replaced
export RESTIC_REPOSITORY={repository} RESTIC_PASSWORD_FILE={password}
restic unlock  # a restore that another test has killed leaves its lock
restic tag --tag kind=slices --add replaced
"""


def test_archives_that_are_replaced_while_it_restores_do_no_harm(stored: Stored, tmp_path: Path) -> None:
    """An agent that runs stores newer archives and forgets the older ones, also those that a restore has just chosen."""
    past, target, program = stored.pasts[1], tmp_path / "target", tmp_path / "replace"
    program.write_text(REPLACING.format(here=tmp_path, repository=stored.options[1], password=stored.options[3]))
    program.chmod(0o755)
    wanted = ["restore", *stored.options, "--target", str(target), "--mongod", str(find_mongod()), "--at", past.text]
    code, found = command(*wanted, BACKUP_AGENT_FAILPOINTS=f"restore.planned=run:{program}")
    assert code == 0, found
    assert (tmp_path / "replaced").exists()
    with started(target, tmp_path) as client:
        assert contents(client) == past.held


def test_the_newest_point_becomes_a_new_replica_set(stored: Stored, tmp_path: Path) -> None:
    """Without a point in time the newest one is restored; the directory starts as the first member of a set."""
    target = tmp_path / "target"
    code, found = command("restore", *stored.options, "--target", str(target), "--mongod", str(find_mongod()))
    assert code == 0, found
    assert found["restore"]["documents"] > 0
    code, again = command("restore", *stored.options, "--target", str(target), "--mongod", str(find_mongod()))
    assert (0, False) == (code, again["changed"])
    assert found["restore"]["restored_at"] == again["restore"]["restored_at"]
    with started(target, tmp_path, "--replSet", "fresh") as client:
        members = [{"_id": 0, "host": str(tmp_path / "s.sock")}]
        client.admin.command("replSetInitiate", {"_id": "fresh", "members": members})
        wait_until("it is the primary", lambda: client.admin.command("hello")["isWritablePrimary"])
        assert contents(client) == stored.pasts[-1].held
        client.shop.after.insert_one({})
    code, used = command("restore", *stored.options, "--target", str(target), "--mongod", str(find_mongod()))
    assert 3 == code
    assert "on which a server has been started since" in used["error"]["message"]


def test_ranges_are_known_from_the_repository(stored: Stored) -> None:
    """One range: from the snapshot to the last optime that was stored."""
    code, found = command("ranges", *stored.options)
    assert (0, 1, 1) == (code, len(found["ranges"]), len(found["snapshots"]))
    (only,) = found["ranges"]
    assert found["snapshots"][0]["optime"] == only["from"]
    assert Timestamp(only["to"]["time"], only["to"]["increment"]) >= stored.pasts[-1].at


def test_a_time_that_is_not_stored_is_refused_with_the_ranges(stored: Stored, tmp_path: Path) -> None:
    """Before the snapshot and in the future: nothing is written, and what can be restored is said."""
    for at in ("1:1", str(int(time.time()) + 3600) + ":1"):
        code, found = command("restore", *stored.options, "--target", str(tmp_path / "target"), "--at", at)
        assert code != 0
        assert "what can be restored is" in found["error"]["message"]
    assert not (tmp_path / "target").exists()


def test_a_wrong_password_is_said(stored: Stored, tmp_path: Path) -> None:
    """Nothing is written, and the file that was given is named."""
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("staple\n")
    options = [*stored.options[:2], "--password-file", str(wrong), *stored.options[4:]]
    code, found = command("restore", *options, "--target", str(tmp_path / "target"))
    assert 2 == code
    assert f"with the password in {wrong}" in found["error"]["message"]
    assert not (tmp_path / "target").exists()


def test_a_lock_that_a_dead_restic_left_is_no_obstacle(stored: Stored) -> None:
    """restic is killed while it holds the whole repository; what comes then removes that lock and reads."""
    repository, password = stored.options[1], stored.options[3]
    locks = Path(repository) / "locks"
    environment = {**os.environ, "RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD_FILE": password}
    subprocess.run(["restic", "unlock"], env=environment, check=True, stdout=subprocess.DEVNULL)
    checking = subprocess.Popen(
        ["restic", "check", "--read-data", "--no-cache"], env=environment, stdout=subprocess.DEVNULL
    )
    wait_until("restic has its lock", lambda: list(locks.iterdir()) or checking.poll() is not None)
    checking.kill()
    checking.wait()
    assert list(locks.iterdir())
    code, found = command("ranges", *stored.options)
    assert (0, 1) == (code, len(found["ranges"]))
    assert [] == list(locks.iterdir())


def test_a_directory_with_files_in_it_is_refused(stored: Stored, tmp_path: Path) -> None:
    """Nothing of a user's is ever deleted."""
    (tmp_path / "precious").write_text("data")
    code, found = command("restore", *stored.options, "--target", str(tmp_path))
    assert code != 0
    assert "expected an empty directory" in found["error"]["message"]
    assert (tmp_path / "precious").read_text() == "data"


def test_an_interrupted_restore_is_begun_again(stored: Stored, tmp_path: Path) -> None:
    """Killed at one point after the other, it is recognised by its mark each time, and the same command brings it to its end."""
    past, target = stored.pasts[0], tmp_path / "target"
    wanted = ["restore", *stored.options, "--target", str(target), "--mongod", str(find_mongod()), "--at", past.text]
    for point in ("restore.downloaded", "restore.replayed", "restore.moving"):
        assert command(*wanted, BACKUP_AGENT_FAILPOINTS=f"{point}=kill")[0] == -9
        assert (target / ".restore").is_dir()
    assert command(*wanted)[0] == 0
    assert not (target / ".restore").exists()
    with started(target, tmp_path) as client:
        assert contents(client) == past.held


def test_the_agent_restores_and_verifies_beside_its_work(pair: ReplicaSet, tmp_path: Path) -> None:
    """As an operation that is followed; then a flipped byte in a slice and one in the repository are found and named."""
    with pair.client(w="majority") as client, an_agent(tmp_path / "agent", pair, verify_parts=1) as agent:
        agent.start()
        agent.wait_operation()
        target = tmp_path / "target"
        code, found = agent.call("restore", "--target", str(target), "--submit", "--owner", "tests")
        assert (0, True) == (code, found["changed"])
        assert found["plan"]["until"] == found["operation"]["params"]["at"]
        result = agent.wait_operation(identifier=found["operation"]["id"])["result"]["restore"]
        assert (str(target), found["plan"]["until"]) == (result["target"], result["until"])
        assert agent.call("verify", "--owner", "tests")[0] == 0
        assert [] == agent.wait_operation()["result"]["verification"]["problems"]
        with started(target, tmp_path) as restored:
            assert sorted(contents(restored)) == sorted(contents(client))
        # A backup that has fallen out of sync can be restored by the agent all the same.
        state = Store(Path(agent.settings["directory"]) / "state.sqlite")
        state.raise_alert("resync_required", "corruption", {"message": "a test"})
        agent.wait_state("resync_required")
        code, found = agent.call("restore", "--target", str(tmp_path / "other"), "--submit", "--owner", "tests")
        assert (0, True) == (code, found["changed"]), found
        agent.wait_operation(identifier=found["operation"]["id"])
        state.close_alerts("resync_required")
        state.close()
        agent.stop()
        (pack,) = [
            max((tmp_path / "agent/repo/data").rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)
        ]
        pack.chmod(0o600)
        with open(pack, "r+b") as file:
            file.seek(1000)
            byte = file.read(1)
            file.seek(1000)
            file.write(bytes([byte[0] ^ 1]))
        assert files(tmp_path / "agent/job/generations/000001/slices")
        agent.start()
        agent.wait_state("tailing")
        agent.call("verify", "--owner", "tests")
        operation = agent.wait_operation("failed")
        assert "repository" in operation["error"]["message"]
        assert "verification" in [alert["kind"] for alert in agent.status()["alerts"]]
