"""The lab itself: real replica sets come up, survive trouble and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymongo.errors import OperationFailure

from lab import LabError, Member, ReplicaSet, Writer, roll_over
from lab.data import load
from lab.rollover import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MIX = {"insert": 50, "update": 30, "delete": 10, "transaction": 9, "index": 1}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    members = [Member(priority=2), Member(), Member(hidden=True)]
    with ReplicaSet("shop", members, oplog_mb=8, directory=tmp_path_factory.mktemp("shop")) as replica_set:
        yield replica_set


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def all_gone(pids: list[int], within_seconds: float = 15) -> bool:
    deadline = time.monotonic() + within_seconds
    while any(map(running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(running, pids))


def test_the_set_is_as_asked_for(shop: ReplicaSet) -> None:
    """Three members answer, the one of the highest priority is primary, the hidden one is a hidden secondary."""
    assert shop.primary() == 0
    assert shop.secondaries() == [1, 2]
    with shop.member_client(2) as client:
        assert client.admin.command("hello")["hidden"] is True


def test_loaded_data_has_its_indexes(shop: ReplicaSet) -> None:
    """Seed data comes with unique, partial, multikey and hashed indexes."""
    loaded = load(shop.uri, megabytes=2, collections=3)

    with shop.client() as client:
        collections = [client.shop[name] for name in client.shop.list_collection_names()]
        assert sum(collection.count_documents({}) for collection in collections) == loaded
        indexes = client.shop.orders.index_information()
    assert indexes["number_1"]["unique"] is True
    assert "partialFilterExpression" in indexes["paid_placed_at"]
    assert len(indexes) == 6


def test_the_writer_writes_through_an_election(shop: ReplicaSet, tmp_path: Path) -> None:
    """A stepdown delays the writer and does not end it; every kind of write in the mix happens, diffs included."""
    with Writer(shop.uri, rate=500, mix=MIX, seed=1, directory=tmp_path) as writer:
        writer.wait_for(500)
        new = shop.stepdown(for_seconds=3)
        writer.wait_for(500)
        counts = writer.stop()

    assert new == 1
    assert set(MIX) <= set(counts)
    with shop.member_client(new) as client:
        assert client.local["oplog.rs"].find_one({"op": "u", "o.$v": 2, "ns": {"$regex": "^shop"}})
        assert client.local["oplog.rs"].find_one({"o.applyOps": {"$exists": True}})


def test_a_roll_over_removes_an_entry_from_every_member(shop: ReplicaSet, tmp_path: Path) -> None:
    """After it no member, not even the hidden one, still has the entry somebody stopped at."""
    shop.wait_healthy()
    stopped_at = shop.oplog_window(shop.primary()).newest
    seen: list[Progress] = []
    with Writer(shop.uri, rate=100, directory=tmp_path) as writer:
        done = roll_over(shop.uri, past=stopped_at, on_progress=seen.append)
        writer.wait_for(50)

    assert len(done.oldest) == 3
    assert all(shop.oplog_window(number).oldest > stopped_at for number in range(3))
    assert seen[0].waiting_for == list(done.oldest)


def test_a_roll_over_that_takes_too_long_says_so(shop: ReplicaSet) -> None:
    """It is bounded by time, and the message has the oldest entries."""
    with pytest.raises(LabError, match=r"in time.*oldest entries are 127\.0\.0\.1"):
        roll_over(shop.uri, timeout_seconds=0)


def test_members_come_back_after_every_kind_of_trouble(shop: ReplicaSet) -> None:
    """A stopped, a killed and a frozen member is in sync again afterwards, on its old address."""
    shop.stop_member(2)
    assert shop.states()[2] == "DOWN"
    shop.restart_member(2)
    shop.kill_member(1)
    shop.restart_member(1)
    shop.pause_member(2)
    assert shop.states()[2] == "DOWN"
    shop.resume_member(2)
    shop.wait_healthy()

    assert sorted(shop.states()) == ["PRIMARY", "SECONDARY", "SECONDARY"]


def test_access_control(tmp_path: Path) -> None:
    """With auth nobody reads without a password, and the user `backup` reads the oplog but writes nothing."""
    with ReplicaSet(members=1, oplog_mb=8, directory=tmp_path, auth=True) as replica_set:
        assert replica_set.backup is not None
        with replica_set.member(0).client() as stranger, pytest.raises(OperationFailure):
            stranger.local["oplog.rs"].find_one()
        with replica_set.member(0).client(**replica_set.backup.options) as backup:
            assert backup.local["oplog.rs"].find_one()
            assert backup.admin.command("replSetGetStatus")["set"] == "rs0"
            with pytest.raises(OperationFailure):
                backup.shop.orders.insert_one({})
        assert roll_over(replica_set.uri).written_bytes > 0


def test_a_mongod_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """The error of a start that fails has the reason, and nothing is left running."""
    replica_set = ReplicaSet(members=2, directory=tmp_path, mongod_args=["--setParameter", "nonsense=1"])
    with pytest.raises(LabError, match="nonsense"):
        replica_set.start()

    assert not any(mongod.running for mongod in replica_set.mongods)


def up(directory: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a lab by its command line and wait until it is up."""
    command = [sys.executable, "-m", "lab", "up", "--directory", str(directory), "--oplog-mb", "8", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (directory / "lab.json").exists():
        assert process.poll() is None, "lab up ended"
        assert time.monotonic() < deadline, "lab up took over 60 s"
        time.sleep(0.1)
    return process


def pids_of(lab: dict[str, Any]) -> list[int]:
    return [lab["pid"], lab["writer"]["pid"], *(member["pid"] for member in lab["members"])]


def call(directory: Path, command: str) -> str:
    argv = [sys.executable, "-m", "lab", command, "--directory", str(directory)]
    return subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout


def test_nothing_survives_the_supervisors_death(tmp_path: Path) -> None:
    """Members and writer die with a supervisor that is killed with SIGKILL."""
    process = up(tmp_path, "--writer", "100")
    pids = pids_of(json.loads((tmp_path / "lab.json").read_text()))
    assert len(pids) == 5
    assert all(map(running, pids))

    process.kill()
    process.wait()

    assert all_gone(pids)


def test_the_command_line_runs_a_lab(tmp_path: Path) -> None:
    """up, status, roll-over and down do what they say, and down leaves nothing behind."""
    process = up(tmp_path, "--members", "2", "--writer", "100", "--seed-mb", "1")
    pids = pids_of(json.loads((tmp_path / "lab.json").read_text()))

    status = json.loads(call(tmp_path, "status"))
    rolled = call(tmp_path, "roll-over").splitlines()[-1]
    stopped = call(tmp_path, "down")

    assert sorted(member["state"] for member in status["members"]) == ["PRIMARY", "SECONDARY"]
    assert status["writer"]["operations"] > 0
    assert len(json.loads(rolled)["oldest"]) == 2
    assert stopped == "stopped\n"
    assert process.wait(10) == 0
    assert all_gone(pids)
    assert not (tmp_path / "lab.json").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_lab_stops_even_while_it_starts(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C in the middle of starting leaves no mongod behind."""
    command = [sys.executable, "-m", "lab", "up", "--directory", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    lock = tmp_path / "member2" / "data" / "mongod.lock"
    while not (lock.exists() and lock.read_text().strip()):
        time.sleep(0.02)
    pids = [int((tmp_path / f"member{n}" / "data" / "mongod.lock").read_text() or 0) for n in range(3)]

    os.kill(process.pid, how)

    assert process.wait(15) == 0
    assert all_gone([pid for pid in pids if pid])
