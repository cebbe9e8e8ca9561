"""The oldest entry of an oplog, read while the member removes it: the server itself says that the scan has lost its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog import rate_commands
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from backup_agent.errors import Transient
from backup_agent.source import oplog
from lab import Member, ReplicaSet
from lab.oplog_edge import edge

Client = MongoClient[dict[str, Any]]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Give a member that can be told to fail."""
    directory = tmp_path_factory.mktemp("rs")
    with (
        ReplicaSet("rs0", [Member()], directory=directory, set_parameters={"enableTestCommands": True}) as found,
        found.member_client(0) as client,
    ):
        yield client


def fail(client: Client, times: int, code: int = oplog.CAPPED_POSITION_LOST) -> None:
    """Let the next reads fail as those that lose their place do."""
    data = {"failCommands": ["find", "aggregate"], "errorCode": code}
    client.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=data)


FIRST = [{"$limit": 1}, {"$project": {"ts": 1}}]
METER = rate_commands.Meter(rate_commands.Budget())
READERS: dict[str, Callable[[Client], object]] = {
    "agent": lambda client: oplog.edge_entry(client, newest=False)["ts"],
    "modules": lambda client: connection._entry(client, 1),
    "write rates": lambda client: rate_commands.run(client.local["oplog.rs"], FIRST, METER, None),
    "lab": lambda client: edge(client, 1),
}


@pytest.mark.parametrize("reader", READERS)
def test_it_is_asked_for_again(client: Client, reader: str) -> None:
    """Two in a row change nothing."""
    oldest = READERS[reader](client)
    fail(client, 2)
    assert oldest == READERS[reader](client)


@pytest.mark.parametrize("reader", ["agent", "modules", "write rates"])
def test_not_for_ever_and_for_no_other_reason(client: Client, reader: str) -> None:
    """What fails each time, or otherwise, is an error."""
    for times, code in ((oplog.EDGE_ATTEMPTS, oplog.CAPPED_POSITION_LOST), (1, 8)):
        fail(client, times, code)
        with pytest.raises((Transient, OperationFailure)):
            READERS[reader](client)
