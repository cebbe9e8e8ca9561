"""Snapshots, their proof and validation, with a real replica set, a real head and a real restic repository.

The harness stands in for the daemon only: it copies the source's oplog to the head entry by entry, with none of its rules.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp

from backup_agent import failpoints
from backup_agent.compare import digest, manifest, ranges, sides, validation
from backup_agent.config import Config
from backup_agent.errors import Canceled, OperationFailed, Refused, Transient
from backup_agent.head import Mongod, make_plain
from backup_agent.namespaces import why_not_copied
from backup_agent.repository import proof, snapshot
from backup_agent.repository.restic import Restic
from backup_agent.source.connections import SourceSet
from backup_agent.source.member import member_majority
from backup_agent.state.documents import FILE
from backup_agent.state.store import Store
from backup_agent.times import OpTime
from lab import ReplicaSet
from lab.binaries import find_mongod
from lab.repository import make_repository

HISTORY_SECONDS = 5
BEGINNING = Timestamp(1, 1)
Json = dict[str, Any]


class Replay:
    """Work whose head replays the source's whole oplog with applyOps."""

    generation = 1

    def __init__(self, source: ReplicaSet, directory: Path, since: Timestamp = BEGINNING) -> None:
        directory.mkdir(exist_ok=True)
        password = directory / "password"
        password.touch(0o600)
        password.write_text(source.backup.password if source.backup else "")
        restic_password = secrets.token_hex(8)
        (directory / "restic.password").touch(0o600)
        (directory / "restic.password").write_text(restic_password)
        make_repository(directory / "repository", restic_password)
        login = {"username": source.backup.name, "password_file": password} if source.backup else {}
        self.config = Config.model_validate(
            {
                "job": "orders",
                "directory": directory / "job",
                "source": {"uri": source.bare_uri, "replica_set": source.name, **login},
                "head": {"mongod": find_mongod(), "socket_directory": Path("/tmp") / f"h4-{secrets.token_hex(4)}"},
                "repository": {
                    "location": str(directory / "repository"),
                    "password_file": directory / "restic.password",
                },
            }
        )
        self.store = Store(self.config.state_file)
        self.sources = SourceSet(self.config)
        where, socket = self.config.generation_directory(1) / "head", self.config.socket_directory / "g000001.sock"
        self.head = Mongod(self.config.head.mongod, where, socket, 256)
        self.head.start()
        self.applied, self.since = BEGINNING, since
        self.on_tick: Callable[[], None] = lambda: None
        self.notes: Json = {}
        self.ticks: list[tuple[str, float, float]] = []

    def close(self) -> None:
        self.head.remove()
        self.sources.close()
        self.store.close()
        shutil.rmtree(self.config.socket_directory, ignore_errors=True)

    def source_member(self) -> str:
        chosen = self.sources.topology().choose()
        if chosen is None:
            raise Transient("no secondary")
        return chosen.member

    def pause_at_latest(self) -> OpTime:
        client = self.sources.client(self.source_member())
        until = member_majority(client)
        assert until is not None
        batch: list[Json] = []
        new = {"ts": {"$gt": self.applied, "$lte": until}}
        wanted = {
            "$or": [{"ts": {"$gt": self.since}}, {"ns": {"$regex": "^admin[.]"}}]
        }  # users, and what this test wrote
        for entry in client.local["oplog.rs"].find({"$and": [new, wanted]}).sort("$natural", 1):
            self._replay(entry, batch)
        self._flush(batch)
        self.applied = max(self.applied, until)
        return OpTime(self.applied, 1)

    def _replay(self, entry: Json, batch: list[Json]) -> None:
        if (
            entry["op"] == "n"
            or (why_not_copied(entry["ns"]) and entry["ns"] != "admin.$cmd")
            or ".system.views" in entry["ns"]
        ):
            return
        if entry["op"] != "c":
            batch.append(_plain(entry))
            if len(batch) >= 2000:
                self._flush(batch)
            return
        self._flush(batch)
        command, database = next(iter(entry["o"])), entry["ns"].partition(".")[0]
        if command == "commitIndexBuild":
            name = entry["o"]["commitIndexBuild"]
            self.head.client[database].command({"createIndexes": name, "indexes": entry["o"]["indexes"]})
        elif command == "createIndexes":
            spec = {key: value for key, value in entry["o"].items() if key != command}
            self.head.client[database].command({command: entry["o"][command], "indexes": [spec]})
        elif command == "applyOps":
            batch += [_plain(one) for one in entry["o"]["applyOps"]]
        elif command not in ("startIndexBuild", "abortIndexBuild") and not _ignored(entry, database, command):
            self.head.client.admin.command({"applyOps": [_plain(entry)]})

    def _flush(self, batch: list[Json]) -> None:
        if batch:
            self.head.client.admin.command({"applyOps": batch})
            batch.clear()

    def apply_some(self) -> None:
        self.pause_at_latest()

    def tick(self, phase: str, done: float, total: float, _unit: str, _text: str | None = None) -> None:
        self.ticks.append((phase, done, total))
        self.on_tick()

    def alive(self) -> None:
        assert self.head.alive

    def note(self, **result: Any) -> None:
        self.notes |= result


def _ignored(entry: Json, database: str, command: str) -> bool:
    namespace = f"{database}.{entry['o'][command]}"
    return bool(why_not_copied(namespace)) or namespace.endswith(".system.views")


def _plain(entry: Json) -> Json:
    return {key: entry[key] for key in ("op", "ns", "ui", "o", "o2") if key in entry}


@pytest.fixture(scope="module")
def source() -> Iterator[ReplicaSet]:
    with ReplicaSet(
        members=3, auth=True, set_parameters={"minSnapshotHistoryWindowInSeconds": HISTORY_SECONDS}
    ) as replica_set:
        yield replica_set


@pytest.fixture
def work(source: ReplicaSet, tmp_path: Path) -> Iterator[Replay]:
    with source.client() as client:
        for name in set(client.list_database_names()) - {"admin", "config", "local"}:
            client.drop_database(name)
        since = source.oplog_window(source.primary()).newest
        shop = client.shop
        shop.orders.insert_many([{"_id": number, "text": "x" * 200, "n": number} for number in range(4000)])
        shop.orders.create_index("n", unique=True)
        shop.mixed.insert_many([{"_id": value} for value in (1, "a", None, b"b", 2.5, {"k": 1})])
        shop.create_collection("fast", clusteredIndex={"key": {"_id": 1}, "unique": True})
        shop.fast.insert_many([{"_id": number} for number in range(100)])
    replay = Replay(source, tmp_path, since)
    replay.pause_at_latest()
    yield replay
    replay.close()


def documents(work: Replay, *ids: str) -> list[str]:
    """Return the words that stand for documents."""
    lines = map(json.loads, (work.config.directory / FILE).read_text().splitlines())
    words = {line["_id"]: f"{line['word']} of {FILE}" for line in lines}
    return [words[one] for one in ids]


def _validated(work: Replay, level: str = "digest") -> Json:
    report = validation.validate(work, level)
    assert report.level == level
    return report.to_json()


# Validation ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", validation.LEVELS)
def test_an_exact_copy_is_equal(work: Replay, level: str) -> None:
    """Every level finds a faithful copy equal, as a user with the roles backup and clusterMonitor only."""
    report = _validated(work, level)

    assert (True, []) == (report["equal"], report["differences"])
    documents = {entry["namespace"]: entry["documents"] for entry in report["collections"]}
    assert {"shop.orders": 4000, "shop.mixed": 6, "shop.fast": 100} == {
        k: v for k, v in documents.items() if k.startswith("shop.")
    }
    assert "admin.system.users" in documents


def test_one_changed_byte_is_found_and_named(work: Replay) -> None:
    """A document that differs in one byte has a word in the report, and its `_id` in a file of the job's own."""
    work.head.client.shop.orders.update_one({"_id": 1234}, {"$set": {"text": "x" * 199 + "y"}})

    report = _validated(work)

    assert not report["equal"]
    (word,) = documents(work, "1234")
    assert [f"shop.orders: document {word}: expected the source's bytes, found others in the backup"] == report[
        "differences"
    ]


@pytest.mark.parametrize("level", ["counts", "digest"])
def test_a_missing_and_an_extra_document_are_found_and_named(work: Replay, level: str) -> None:
    """A document that one side lacks is named, whatever the type of its `_id`."""
    work.head.client.shop.mixed.delete_one({"_id": "a"})
    work.head.client.shop.mixed.insert_one({"_id": "zz"})

    report = _validated(work, level)

    missing, extra = documents(work, '"a"', '"zz"')
    assert [
        f"shop.mixed: document {missing}: expected it, found none in the backup",
        f"shop.mixed: document {extra}: expected none, found one in the backup",
    ] == report["differences"]


def test_a_missing_index_view_and_collection_are_found_and_named(work: Replay, source: ReplicaSet) -> None:
    """What the catalogue lacks is named."""
    with source.client() as client:
        client.shop.create_collection("seen", viewOn="orders", pipeline=[])
    work.head.client.shop.orders.drop_index("n_1")
    work.head.client.shop.fast.drop()

    report = _validated(work, "counts")

    assert [
        "shop.fast: expected this collection, found none",
        "shop.seen: expected this view, found none",
        "shop.orders: expected index n_1, found none",
    ] == report["differences"]


def test_validation_outlives_the_snapshot_history(
    work: Replay, source: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collection that takes longer than the members' history is compared at several optimes while writes go on."""
    monkeypatch.setattr(ranges, "FIRST_DOCUMENTS", 300)
    monkeypatch.setattr(ranges, "next_size", lambda size, _elapsed, _target: size)
    monkeypatch.setenv("BACKUP_AGENT_FAILPOINTS", "validation.range=stop:0.7")
    stop = threading.Event()

    def write() -> None:
        with source.client() as client:
            number = 0
            while not stop.wait(0.01):
                number += 1
                client.shop.orders.update_one({"_id": number * 37 % 4000}, {"$inc": {"updates": 1}})
                client.shop.orders.replace_one({"_id": -number}, {"n": -number}, upsert=True)
                client.shop.orders.delete_one({"_id": 50 - number})

    writer = threading.Thread(target=write)
    writer.start()
    began = time.monotonic()
    try:
        report = _validated(work)
    finally:
        stop.set()
        writer.join()

    assert [] == report["differences"]
    assert time.monotonic() - began > 1.5 * HISTORY_SECONDS
    orders = next(entry for entry in report["collections"] if entry["namespace"] == "shop.orders")
    assert len({(r["optime"]["time"], r["optime"]["increment"]) for r in orders["ranges"]}) > 3


def test_an_optime_that_is_too_old_is_tried_again_smaller(
    work: Replay, source: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range whose time has left the member's history is read again at a new one (error 239)."""
    monkeypatch.setattr(sides, "HISTORY_SHARE", 8)
    monkeypatch.setattr(sides, "DEFAULT_HISTORY_SECONDS", 60)
    real, slept = digest.bound_after, list[bool]()

    def slow(*arguments: Any) -> Any:
        if not slept and arguments[0].collection != "system.users":
            slept.append(True)
            with source.client() as client:  # history is counted back from the newest write
                for number in range(3 * HISTORY_SECONDS):
                    client.shop.orders.update_one({"_id": number}, {"$set": {"later": True}})
                    time.sleep(1)
        return real(*arguments)

    monkeypatch.setattr(digest, "bound_after", slow)
    sizes: list[int] = []
    seen = ranges.Ranges._compared

    def spy(self: Any, pair: Any, lower: Any, size: int) -> Any:
        sizes.append(size)
        return seen(self, pair, lower, size)

    monkeypatch.setattr(ranges.Ranges, "_compared", spy)

    report = _validated(work)

    assert report["equal"]
    assert min(sizes) < ranges.FIRST_DOCUMENTS


def test_ddl_meanwhile_is_no_difference(work: Replay, source: ReplicaSet) -> None:
    """Collections that are created, renamed and dropped while others are compared give no mismatch."""
    client = source.client()
    numbers = iter(range(10**6))

    def change() -> None:
        number = next(numbers)
        client.shop[f"new{number}"].insert_one({"_id": number})
        if number == 0:
            client.shop.orders.rename("renamed")
            client.shop.mixed.drop()
            client.shop.fast.create_index("z")
        client.shop[f"new{number - 1}"].drop()

    work.on_tick = change
    with client:
        report = _validated(work)

    assert [] == report["differences"]
    assert report["compared"] >= 2


def test_another_member_takes_over(work: Replay, source: ReplicaSet) -> None:
    """The loss of the member that is read from costs the range, not the validation."""
    lost: list[int] = []

    def lose() -> None:
        if not lost:
            member = source.addresses.index(work.source_member())
            lost.append(member)
            source.kill_member(member)

    work.on_tick = lose
    try:
        report = _validated(work)
    finally:
        source.restart_member(lost[0])

    assert [] == report["differences"]


def test_nothing_on_either_side_is_said(tmp_path: Path) -> None:
    """Two empty sides are equal, and the report says that nothing was compared; an empty copy of something is not equal."""
    with ReplicaSet(members=2) as empty:
        work = Replay(empty, tmp_path)
        try:
            report = _validated(work)
        finally:
            work.close()

        with empty.client(w="majority") as client:
            client.shop.orders.insert_one({"_id": 1})
        stuck = Replay(empty, tmp_path / "stuck", since=Timestamp(2**31, 1))
        try:
            lost = _validated(stuck)
        finally:
            stuck.close()

    assert (True, 0) == (report["equal"], report["compared"])
    assert (False, 0) == (lost["equal"], lost["compared"])
    assert ["shop.orders: expected this collection, found none"] == lost["differences"]
    assert "nothing to compare: neither the source nor the backup has a collection" == report["text"]


# Snapshots and proof --------------------------------------------------------------------------------------------------------


def _repository(work: Replay) -> Restic:
    return snapshot.repository(work)


def test_a_snapshot_is_taken_once_and_proven(work: Replay, source: ReplicaSet) -> None:
    """A snapshot is stored, proven by restoring it while the head goes on, and not taken again under the same name."""
    taken = snapshot.take(work, "first", True)
    with source.client() as client:
        client.shop.orders.update_one({"_id": 1}, {"$set": {"later": True}})
    result = proof.prove(work, "first")

    assert taken.restic_id == snapshot.take(work, "first", True).restic_id
    assert (True, ()) == (result.equal, result.differences)
    assert result.documents >= 4106
    assert snapshot.known(work.store, "first").proven_at
    assert not (work.config.directory / "scratch" / "first").exists()
    assert 1 == work.head.client.shop.orders.count_documents({"_id": 1, "later": True})


TAMPER = """#!{python}
import os
from urllib.parse import quote_plus
from pymongo import MongoClient
client = MongoClient("mongodb://" + quote_plus(os.environ["FAILPOINT_SOCKET"]) + "/?directConnection=true")
{what}
client.close()
"""


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (
            "client.shop.orders.delete_one({'_id': 3210})",
            ["shop.orders: expected 4000 documents, found 3999", "extra|missing 3210"],
        ),
        (
            "client.shop.orders.update_one({'_id': 3210}, {'$set': {'text': 'y' + 'x' * 199}})",
            ["shop.orders: expected digest", "changed 3210"],
        ),
        ("client.shop.orders.drop_index('n_1')", ["shop.orders: expected index n_1, found none"]),
        ("client.shop.mixed.drop()", ["shop.mixed: expected this collection, found none"]),
        ("client.drop_database('shop')", ["shop.orders: expected this collection"]),
    ],
)
def test_a_restored_copy_that_differs_is_bad(
    work: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, expected: list[str]
) -> None:
    """What is missing or changed in the restored copy is named, and the snapshot is marked bad."""
    script = tmp_path / "tamper"
    script.write_text(TAMPER.format(python=sys.executable, what=what))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    snapshot.take(work, "first", True)
    monkeypatch.setenv("BACKUP_AGENT_FAILPOINTS", f"proof.started=run:{script}")

    with pytest.raises(OperationFailed) as error:
        proof.prove(work, "first")

    text = "; ".join(error.value.details["differences"])
    if "3210" in what:
        (word,) = documents(work, "3210")
        text = text.replace(word, "3210")
    assert [] == [part for part in expected if not any(option in text for option in part.split("|"))], text
    bad = snapshot.known(work.store, "first")
    assert ("bad", None) == (bad.state, bad.proven_at)
    assert not (work.config.directory / "scratch" / "first").exists()


def test_a_snapshot_that_does_not_start_is_bad(work: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored directory without its catalogue does not pass for a copy."""
    script = tmp_path / "tamper"
    script.write_text("#!/bin/sh\ntruncate -s 100 $FAILPOINT_DIRECTORY/data/_mdb_catalog.wt\n")
    script.chmod(0o700)
    snapshot.take(work, "first", True)
    monkeypatch.setenv("BACKUP_AGENT_FAILPOINTS", f"proof.restored=run:{script}")

    with pytest.raises(OperationFailed, match="cannot be restored"):
        proof.prove(work, "first")

    assert "bad" == snapshot.known(work.store, "first").state


def test_what_keeps_a_restore_from_its_end_is_seen_by_the_proof(
    work: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack: a snapshot was proven that no restore could end. A list of shards that cannot be changed stands for that."""
    script = tmp_path / "tamper"
    view = "client.config.other.insert_one({'_id': 1}); client.config.command('create', 'shards', viewOn='other')"
    script.write_text(TAMPER.format(python=sys.executable, what=view))
    script.chmod(0o700)
    snapshot.take(work, "first", True)
    monkeypatch.setattr(manifest, "mismatches", lambda *_: [])  # the view itself is no part of what was stored
    monkeypatch.setenv("BACKUP_AGENT_FAILPOINTS", f"proof.started=run:{script}")

    with pytest.raises(OperationFailed, match="cannot be made to lead nowhere"):
        proof.prove(work, "first")

    assert "bad" == snapshot.known(work.store, "first").state


def test_a_snapshot_without_digests_is_not_proven(work: Replay) -> None:
    """A manifest without digests can't prove every byte, so the proof is refused and says what to do."""
    snapshot.take(work, "first", False)

    with pytest.raises(Refused, match="take a new one with --prove"):
        proof.prove(work, "first")

    kept = snapshot.known(work.store, "first")
    assert ("good", None) == (kept.state, kept.proven_at)


@pytest.mark.parametrize("point", ["manifest", "locked", "uploading", "stored"])
def test_a_snapshot_that_fails_leaves_the_head_unlocked(
    work: Replay, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Whatever step fails, the head can be written to, and taking the snapshot again stores it once."""
    monkeypatch.setenv("BACKUP_AGENT_FAILPOINTS", f"snapshot.{point}=error")
    with pytest.raises(OperationFailed, match=f"snapshot.{point}"):
        snapshot.take(work, "first", False)
    monkeypatch.delenv("BACKUP_AGENT_FAILPOINTS")

    assert not work.head.client.admin.command("currentOp").get("fsyncLock")
    work.head.client.mongodb_ops_backup_head.test.insert_one({})
    assert [] == work.store.snapshots()
    taken = snapshot.take(work, "first", False)
    assert [taken.restic_id] == [found.id for found in _repository(work).snapshots()]


def test_an_orphaned_lock_is_taken_back(work: Replay) -> None:
    """A head that a dead agent left locked, even twice, is unlocked before anything else."""
    work.head.client.admin.command("fsync", lock=True)
    work.head.client.admin.command("fsync", lock=True)

    snapshot.ensure_unlocked(work.head.client)

    assert not work.head.client.admin.command("currentOp").get("fsyncLock")
    assert work.head.client.mongodb_ops_backup_head.test.insert_one({}).acknowledged


def test_a_snapshot_ends_when_the_operation_is_canceled(work: Replay) -> None:
    """A cancel while restic runs ends restic, unlocks the head and records nothing."""

    def cancel() -> None:
        if work.ticks[-1][0] == "upload":
            raise Canceled("canceled by a test")

    work.on_tick = cancel

    with pytest.raises(Canceled):
        snapshot.take(work, "first", False)

    assert not work.head.client.admin.command("currentOp").get("fsyncLock")
    assert [] == work.store.snapshots()


def test_writes_up_to_the_optime_are_in_the_restored_copy(work: Replay, source: ReplicaSet, tmp_path: Path) -> None:
    """The checkpoint in a snapshot holds the last write before it, also when it was applied a moment ago."""
    for number in range(3):
        with source.client() as client:
            client.shop.last.with_options(write_concern=None).insert_one({"_id": number})
        snapshot.take(work, f"s{number}", True)
        assert proof.prove(work, f"s{number}").equal
        assert number + 1 == work.head.client.shop.last.count_documents({})


def test_a_restored_copy_becomes_a_plain_server_and_a_new_set(work: Replay, tmp_path: Path) -> None:
    """Once made plain, a restored directory starts as a standalone and as the first member of a set of its own."""
    taken = snapshot.take(work, "first", True)
    target = tmp_path / "restored"
    _repository(work).restore(taken.restic_id, target)
    socket = work.config.socket_directory / "r.sock"
    plain = Mongod(work.config.head.mongod, target, socket, 256, replica_set=False)
    make_plain(plain.start())
    plain.stop()

    for replica_set in (False, True):
        mongod = Mongod(work.config.head.mongod, target, socket, 256, replica_set=replica_set)
        client = mongod.start()
        assert [] == manifest.mismatches(manifest.load(target / snapshot.MANIFEST), client, lambda *_: None)
        assert client.admin.command("hello").get("setName") == ("backup-head" if replica_set else None)
        client.shop.orders.insert_one({"_id": "new", "n": -1})
        client.shop.orders.delete_one({"_id": "new"})
        mongod.stop()


def test_held_snapshots_are_not_removed(work: Replay) -> None:
    """A held snapshot is refused to be removed; a released one leaves the repository and the store."""
    snapshot.take(work, "first", False)

    work.store.update_snapshot("first", held=1)
    with pytest.raises(Refused, match="release it first"):
        snapshot.remove(work.config, work.store, "first")
    work.store.update_snapshot("first", held=0)
    assert snapshot.remove(work.config, work.store, "first")
    assert not snapshot.remove(work.config, work.store, "first")
    assert [] == _repository(work).snapshots()
    assert [] == work.store.snapshots()


def test_a_removal_that_did_not_end_is_ended(work: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """restic has forgotten it, the state was not told: it is in no list, and another call takes it out of the state, too."""
    snapshot.take(work, "first", False)
    monkeypatch.setenv(failpoints.VARIABLE, "removal.forgotten=error")
    with pytest.raises(OperationFailed):
        snapshot.remove(work.config, work.store, "first")
    monkeypatch.delenv(failpoints.VARIABLE)
    assert ([], [], ["first"]) == (_repository(work).snapshots(), work.store.snapshots(), work.store.removals())

    assert snapshot.remove(work.config, work.store, "first")
    assert [] == work.store.removals()


def test_a_proven_snapshot_takes_five_processes_of_restic(
    work: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there, which repository it is, storing, its whole id, restoring; the first one of a job makes the repository."""
    calls, program = tmp_path / "calls", tmp_path / "bin" / "restic"
    shutil.rmtree(work.config.repository.location)  # the agent makes its own
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$2" >> {calls}\nexec {shutil.which("restic")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    for name, wanted in (
        ("first", "snapshots init cat backup snapshots restore"),
        ("second", "snapshots cat backup snapshots restore"),
    ):
        snapshot.take(work, name, True)
        assert proof.prove(work, name).equal
        assert wanted == " ".join(calls.read_text().split())
        calls.unlink()
