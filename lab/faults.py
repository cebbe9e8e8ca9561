"""What goes wrong with the members of a replica set, beyond what `ReplicaSet` does itself: each with its way back."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pymongo.errors import PyMongoError

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.replica_set import ReplicaSet

TEST_COMMANDS = ("--setParameter", "enableTestCommands=1")
"""What a set must be started with so that replication can be stopped."""

_STOPS_REPLICATION = "rsSyncApplyStop"
Json = dict[str, Any]


def step_up(replica_set: ReplicaSet, number: int, timeout_seconds: float = 180) -> None:
    """Make a secondary the primary; one that is not far enough yet is asked again."""
    deadline = time.monotonic() + timeout_seconds
    with replica_set.member_client(number) as client:
        while not client.admin.command("hello")["isWritablePrimary"]:
            if time.monotonic() > deadline:
                raise LabError(f"expected member {number} to become primary in {timeout_seconds:.0f} s; it did not")
            try:
                client.admin.command("replSetStepUp")
            except PyMongoError:
                time.sleep(0.2)
    replica_set.wait_healthy()


def wait_connected(replica_set: ReplicaSet, timeout_seconds: float = 180) -> None:
    """Wait until every member sees every other one: after a partition that takes longer than the members' own states tell."""
    deadline = time.monotonic() + timeout_seconds
    while not all(_sees_all(replica_set, number) for number in range(len(replica_set.mongods))):
        if time.monotonic() > deadline:
            raise LabError(f"expected every member to see every other one in {timeout_seconds:.0f} s; they do not")
        time.sleep(0.2)
    replica_set.wait_healthy()


def _sees_all(replica_set: ReplicaSet, number: int) -> bool:
    try:
        with replica_set.member_client(number) as client:
            members = client.admin.command("replSetGetStatus")["members"]
    except PyMongoError:
        return False
    return all(member["health"] == 1 for member in members)


@contextmanager
def killed(replica_set: ReplicaSet, number: int) -> Iterator[None]:
    """Leave a member dead for a while."""
    replica_set.kill_member(number)
    try:
        yield
    finally:
        replica_set.restart_member(number)


@contextmanager
def hung(replica_set: ReplicaSet, number: int) -> Iterator[None]:
    """Freeze a member for a while; its connections stay open."""
    replica_set.pause_member(number)
    try:
        yield
    finally:
        replica_set.resume_member(number)


@contextmanager
def removed(replica_set: ReplicaSet, number: int) -> Iterator[None]:
    """Take a member out of the set's configuration while its process runs on; in the end it is a member again."""
    address = replica_set.member(number).address
    own = next(member for member in _config(replica_set)["members"] if member["host"] == address)
    _reconfigure(replica_set, lambda members: [m for m in members if m["host"] != address])
    try:
        yield
    finally:
        _reconfigure(replica_set, lambda members: [*members, own])
        replica_set.wait_healthy()


def replace_by_empty(replica_set: ReplicaSet, number: int) -> None:
    """Kill a member and start it without its data: it makes an initial sync. `wait_healthy` waits for that."""
    mongod = replica_set.member(number)
    mongod.kill()
    shutil.rmtree(mongod.directory / "data")
    replica_set.restart_member(number, wait=False)


@contextmanager
def replication_stopped(replica_set: ReplicaSet, *numbers: int) -> Iterator[None]:
    """Let members neither apply nor write oplog entries, though they answer; the set needs `TEST_COMMANDS`."""
    with ExitStack() as stack:
        for number in numbers:
            stack.enter_context(_stopped(replica_set, number))
        yield


@contextmanager
def _stopped(replica_set: ReplicaSet, number: int) -> Iterator[None]:
    with replica_set.member_client(number) as client:
        client.admin.command("configureFailPoint", _STOPS_REPLICATION, mode="alwaysOn")
        try:
            yield
        finally:
            if replica_set.member(number).running:  # a new process has no failure point
                client.admin.command("configureFailPoint", _STOPS_REPLICATION, mode="off")


def resize_oplog(replica_set: ReplicaSet, number: int, megabytes: int) -> None:
    """Change the maximal size of a member's oplog while it runs; the server takes 990 MB at least."""
    with replica_set.member_client(number) as client:
        client.admin.command("replSetResizeOplog", 1, size=float(megabytes))


def _config(replica_set: ReplicaSet) -> Json:
    with replica_set.member_client(replica_set.wait_primary()) as client:
        found: Json = client.admin.command("replSetGetConfig")["config"]
    return found


def _reconfigure(replica_set: ReplicaSet, change: Any, timeout_seconds: float = 120) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        config = _config(replica_set)
        config["members"] = change(config["members"])
        config["version"] += 1
        try:
            with replica_set.member_client(replica_set.wait_primary()) as client:
                client.admin.command("replSetReconfig", config)
            return
        except PyMongoError as error:  # the one before is not committed yet, or the primary has just changed
            if time.monotonic() > deadline:
                raise LabError(
                    f"expected a new configuration of {replica_set.name}; it was refused: {error}"
                ) from error
            time.sleep(0.2)
