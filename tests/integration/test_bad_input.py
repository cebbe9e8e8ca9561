"""What a DBA points the check at by mistake, or at 3 a.m.: each has a verdict or one line, and hides no other member.

Run with -s, it prints the table of docs/checks.md.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bson
import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.login import Login
from ansible_collections.mongodb_ops.backup.plugins.module_utils.window_check import Asked, read_replica_set
from lab import Member, ReplicaSet, clock
from lab.binaries import find_mongod
from lab.mongod import Mongod
from tests.integration.agent.harness import wait_until

Record = dict[str, Any]
ENABLED = {"enableTestCommands": True}


def read(address: str, **options: Any) -> Record:
    """Read the set that this member belongs to."""
    host, port = address.split(":")
    seed = {"login_host": host, "login_port": int(port), "connect_timeout_seconds": 1}
    return read_replica_set(Login({**seed, **options}), Asked(min_hours=0, rates=False))


def refusal(address: str, **options: Any) -> str:
    """Return the one line that the member is refused with."""
    with pytest.raises(BackupError) as caught:
        read(address, **options)
    assert "\n" not in caught.value.message
    return str(caught.value.message)


def say(what: str, found: str) -> None:
    """Print a row of the table."""
    print(f"| {what} | {found} |")


def member(record: Record, address: str) -> Record:
    """Return what is said about a member, and require that the others have their windows."""
    others = [one for one in record["members"] if one["member"] != address and one["state"] in ("PRIMARY", "SECONDARY")]
    assert others
    assert all(one["window_hours"] is not None for one in others)
    return next(one for one in record["members"] if one["member"] == address)


@contextlib.contextmanager
def lone(directory: Path, *arguments: str) -> Iterator[Mongod]:
    """Start a mongod alone."""
    mongod = Mongod(find_mongod(), directory, ["--wiredTigerCacheSizeGB", "0.25", *arguments])
    mongod.start()
    try:
        mongod.wait()
        yield mongod
    finally:
        mongod.release()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Return a set of a primary, two secondaries, an arbiter, and a hidden member that is an hour late."""
    members = [Member(priority=2), Member(), Member(), Member(arbiter=True), Member(delay_seconds=3600, votes=0)]
    directory = tmp_path_factory.mktemp("mixed")
    with ReplicaSet("orders", members, oplog_mb=990, directory=directory, set_parameters=ENABLED) as replica_set:
        yield replica_set


def test_standalone_and_not_initiated(tmp_path: Path) -> None:
    """A server without an oplog is refused, and it is said what was expected."""
    with lone(tmp_path / "alone") as mongod:
        found = refusal(mongod.address)
        assert "found a server outside of any replica set" in found
        say("a standalone mongod", found)
    with lone(tmp_path / "new", "--replSet", "orders") as mongod:
        found = refusal(mongod.address)
        assert "that was not initiated" in found
        say("a member of a set that was not initiated", found)


def test_arbiter_delayed_and_hidden(mixed: ReplicaSet) -> None:
    """An arbiter has no say; a delayed member is read like the others, and said to be late."""
    record = read(mixed.addresses[0])
    arbiter, late = member(record, mixed.addresses[3]), member(record, mixed.addresses[4])
    assert (None, "an arbiter holds no data and no oplog") == (arbiter["verdict"], arbiter["reason"])
    assert ("ok", True, 3600) == (late["verdict"], late["hidden"], late["delay_seconds"])
    assert "ok" == record["verdict"], record
    say("an arbiter in the set", arbiter["reason"] + "; no verdict of its own")
    say("a delayed, hidden member", f"read; verdict {late['verdict']}, delay_seconds {late['delay_seconds']}")


def test_arbiter_as_the_seed(mixed: ReplicaSet) -> None:
    """It knows the set as well as any other member."""
    record = read(mixed.addresses[3])
    assert 5 == len(record["members"])
    say("the address of an arbiter", f"the other members are discovered from it; verdict {record['verdict']}")


def test_recovering(mixed: ReplicaSet) -> None:
    """A member in maintenance is not read, and makes the whole unknown."""
    with mixed.member_client(2) as client:
        client.admin.command("replSetMaintenance", True)
        try:
            record = wait_for_state(mixed, 2, "RECOVERING")
        finally:
            client.admin.command("replSetMaintenance", False)
            mixed.wait_healthy()
    assert ("unknown", "unknown") == (record["verdict"], member(record, mixed.addresses[2])["verdict"])
    say("a member in RECOVERING", member(record, mixed.addresses[2])["reason"])


def wait_for_state(replica_set: ReplicaSet, number: int, state: str) -> Record:
    """Read the set until the others know the state as well."""

    def seen() -> Record | None:
        record = read(replica_set.addresses[0])
        return record if member(record, replica_set.addresses[number])["state"] == state else None

    found: Record = wait_until(f"the primary knows of {state}", seen)
    return found


def test_initial_sync(mixed: ReplicaSet, tmp_path: Path) -> None:
    """A new member that still copies (STARTUP2) is not read."""
    hang = 'failpoint.initialSyncHangBeforeCopyingDatabases={"mode":"alwaysOn"}'
    arguments = ("--replSet", mixed.name, "--setParameter", "enableTestCommands=1", "--setParameter", hang)
    with lone(tmp_path / "copying", *arguments) as mongod:
        reconfigure(mixed, lambda members: [*members, {"_id": 9, "host": mongod.address, "votes": 0, "priority": 0}])
        try:

            def copies() -> Record | None:
                record = read(mixed.addresses[0])
                return record if member(record, mongod.address)["state"] == "STARTUP2" else None

            record = wait_until("the new member copies", copies)
        finally:
            reconfigure(mixed, lambda members: [one for one in members if one["_id"] != 9])
    assert "unknown" == record["verdict"]
    say("a member in STARTUP2", member(record, mongod.address)["reason"])


def test_rollback(tmp_path: Path) -> None:
    """A former primary that takes back what the others never had is not read, whichever member is asked."""
    hang = 'failpoint.rollbackHangAfterTransitionToRollback={"mode":"alwaysOn"}'
    members = [Member(priority=2, mongod_args=("--setParameter", hang)), Member(), Member()]
    with ReplicaSet("orders", members, directory=tmp_path / "rs", set_parameters=ENABLED) as replica_set:
        with replica_set.member_client(0, w=3, journal=True) as client:
            # In all journals: a member that is killed before that has no common point to go back to, and copies everything again.
            client["shop"]["orders"].insert_one({"_id": "all have it"})
        for number in (1, 2):
            replica_set.kill_member(number)
        with replica_set.member_client(0, w=1, journal=True) as client:
            client["shop"]["orders"].insert_one({"_id": "nobody else has it"})
        replica_set.kill_member(0)
        for number in (1, 2):
            replica_set.restart_member(number, wait=False)
        new = replica_set.wait_primary(other_than=0)
        with replica_set.member_client(new, w=2) as client:
            client["shop"]["orders"].insert_one({"_id": "the old primary lacks it"})
        replica_set.restart_member(0, wait=False)

        def rolls_back(asked: int) -> Record | None:
            record = read(replica_set.addresses[asked])
            return record if member(record, replica_set.addresses[0])["state"] == "ROLLBACK" else None

        records = [wait_until(f"member {asked} knows of ROLLBACK", lambda: rolls_back(asked)) for asked in (new, 0)]  # noqa: B023
    for record in records:
        found = member(record, replica_set.addresses[0])
        assert ("unknown", "unknown", None) == (record["verdict"], found["verdict"], found["window_hours"])
    say("a member in ROLLBACK", found["reason"])


def reconfigure(replica_set: ReplicaSet, change: Callable[[list[Record]], list[Record]]) -> None:
    """Change the members of a set."""
    with replica_set.client() as client:
        config = client.admin.command("replSetGetConfig")["config"]
        members = change(config["members"])
        client.admin.command("replSetReconfig", {**config, "members": members, "version": config["version"] + 1})


def test_no_primary(mixed: ReplicaSet) -> None:
    """All windows are there, and still it is not known how the set is."""
    everybody = [1, 2]
    for number in everybody:
        with mixed.member_client(number) as client:
            client.admin.command("replSetFreeze", 60)
    with mixed.member_client(0) as client, contextlib.suppress(Exception):
        client.admin.command("replSetStepDown", 60, force=True)
    try:
        record = read(mixed.addresses[1])
        # The driver looks for a primary when it is given several addresses; nobody but us would be content without.
        several = read(mixed.addresses[1], login_uri=f"{mixed.bare_uri}&serverSelectionTimeoutMS=1500")
    finally:
        for number in everybody:
            with mixed.member_client(number) as client:
                client.admin.command("replSetFreeze", 0)
        mixed.wait_healthy()
    assert ("unknown", "unknown") == (record["verdict"], several["verdict"])
    assert all(one["window_hours"] is not None for one in several["members"] if one["verdict"] is not None)
    assert any("the set has no primary" in reason for reason in record["reasons"])
    say("a set without a primary", next(reason for reason in record["reasons"] if "primary" in reason))


def test_unreachable(mixed: ReplicaSet) -> None:
    """A member that is gone is unknown, and so is the whole."""
    mixed.kill_member(2)
    try:
        record = read(mixed.addresses[0])
    finally:
        mixed.restart_member(2)
    gone = member(record, mixed.addresses[2])
    assert ("unknown", "unknown") == (record["verdict"], gone["verdict"])
    say("a member that is gone", gone["reason"])


def test_nobody_there() -> None:
    """The address leads nowhere."""
    found = refusal("127.0.0.1:1")
    assert "found no server that listens there" in found
    say("an address where nobody listens", found)


def test_wrong_credentials(tmp_path: Path) -> None:
    """Which options to check; a user without the roles is told which they are."""
    with ReplicaSet("orders", [Member()], directory=tmp_path / "rs", auth=True) as replica_set:
        assert replica_set.root is not None
        found = refusal(replica_set.addresses[0], login_user="root", login_password="wrong")
        assert "check login_user, login_password" in found
        say("a wrong password", found)
        with replica_set.client() as client:
            client.admin.command("createUser", "nobody", pwd="x", roles=[])
        found = refusal(replica_set.addresses[0], login_user="nobody", login_password="x")
        assert "clusterMonitor and read on the database local" in found
        say("a user without rights", found)


@pytest.mark.skipif(clock.missing() is not None, reason="clocks that can be set need a C compiler")
def test_clock_skew(tmp_path: Path) -> None:
    """A member whose clock is an hour ahead writes entries from the future: a warning, because every age is off by that."""
    clocks = clock.Clocks(tmp_path)
    with ReplicaSet("orders", [Member()], directory=tmp_path / "rs") as replica_set:
        mongod = replica_set.member(0)
        mongod.stop()
        mongod.environment = clocks.environment
        clocks.set_wall(3600)
        replica_set.restart_member(0)
        record = read(mongod.address)
    assert "warning" == record["verdict"]
    assert "its clock is 36" in record["reasons"][0]
    assert 3590 < record["members"][0]["clock_skew_seconds"] < 3610
    say("a clock that is an hour ahead", record["reasons"][0])


def test_an_oplog_that_is_empty(tmp_path: Path) -> None:
    """A member that claims to be one and has nothing in its oplog."""
    with lone(tmp_path / "empty") as mongod:
        with mongod.client() as client:
            client.local.create_collection("oplog.rs", capped=True, size=2**20)
        with fake_hello(mongod, {"setName": "orders", "secondary": True, "hosts": ["{address}"]}) as address:
            found = refusal(address)
    assert "Expected entries in the oplog, found none" in found
    say("an empty oplog", found)


def test_mongos() -> None:
    """A router has no oplog; the members of its shards are meant."""
    with fake_hello(None, {"msg": "isdbgrid", "isWritablePrimary": True}) as address:
        found = refusal(address)
    assert "found a mongos" in found
    say("a mongos", found)


HEADER = struct.Struct("<iiii")


@contextlib.contextmanager
def fake_hello(mongod: Mongod | None, reply: Record) -> Iterator[str]:
    """Listen like a server that answers hello with this reply; everything else is passed on to a mongod, where there is one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        text = bson.encode({**reply, **({"hosts": [address]} if "hosts" in reply else {})})
        over = threading.Event()
        thread = threading.Thread(target=_accept, args=(listener, over, bson.decode(text), mongod), daemon=True)
        thread.start()
        try:
            yield address
        finally:
            over.set()


def _accept(listener: socket.socket, over: threading.Event, reply: Record, mongod: Mongod | None) -> None:
    listener.settimeout(0.2)
    while not over.is_set():
        try:
            peer, _address = listener.accept()
        except (TimeoutError, OSError):
            continue
        threading.Thread(target=_serve, args=(peer, reply, mongod), daemon=True).start()


def _serve(peer: socket.socket, reply: Record, mongod: Mongod | None) -> None:
    with peer, contextlib.suppress(OSError, ConnectionError, struct.error):
        peer.settimeout(10)
        while True:
            request = _message(peer)
            _length, number, _to, kind = HEADER.unpack(request[:16])
            asks = b"hello" in request or b"ismaster" in request or b"isMaster" in request
            answer = _own(reply) if asks or mongod is None else _asked(mongod, request)
            if kind == 2004:  # the old form of a first question, and of its answer
                body = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer)
                peer.sendall(HEADER.pack(16 + len(body), 1, number, 1) + body)
                continue
            body = struct.pack("<IB", 0, 0) + bson.encode(answer)
            peer.sendall(HEADER.pack(16 + len(body), 1, number, 2013) + body)


def _own(reply: Record) -> Record:
    limits = {"maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000}
    now = datetime.datetime.now(datetime.timezone.utc)
    return {**reply, **limits, "localTime": now, "minWireVersion": 0, "maxWireVersion": 17, "ok": 1.0}


def _asked(mongod: Mongod, request: bytes) -> Record:
    """Pass a command on."""
    command = bson.decode(request[21:])
    if next(iter(command)).startswith("replSet"):
        return {"ok": 0.0, "code": 13, "errmsg": "not authorized"}
    database = command.pop("$db")
    for key in ("lsid", "$readPreference", "$clusterTime"):
        command.pop(key, None)
    with mongod.client() as client:
        answer: Record = client[database].command(command, check=False)
        return answer


def _message(peer: socket.socket) -> bytes:
    header = _exactly(peer, 4)
    return header + _exactly(peer, struct.unpack("<i", header)[0] - 4)


def _exactly(peer: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = peer.recv(count - len(found))
        if not more:
            raise ConnectionError
        found += more
    return found
