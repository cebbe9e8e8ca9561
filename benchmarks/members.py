"""The source of a benchmark, and the rival: a real member that joins the same set."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from benchmarks.options import wait_for
from lab import Member, ReplicaSet
from lab.mongod import Mongod

Client = MongoClient[dict[str, Any]]

CACHE_GB = 0.25
"""Of every mongod, so that nothing but the method differs: it is what a head has when nothing else is configured."""
OPLOG_MB = 2048
SOURCE, SECONDARY = 0, 1


@contextlib.contextmanager
def source(directory: Path) -> Iterator[ReplicaSet]:
    """Start a set of a primary and a secondary, with an oplog that holds everything a benchmark writes."""
    members = [Member(priority=2), Member()]
    with ReplicaSet("rs0", members, oplog_mb=OPLOG_MB, cache_gb=CACHE_GB, directory=directory / "rs") as replica_set:
        yield replica_set


class NewMember:
    """An empty member without a vote. It copies from a secondary, as the agent does."""

    def __init__(self, replica_set: ReplicaSet, directory: Path) -> None:
        """Nothing is started yet."""
        sizes = ["--oplogSize", str(OPLOG_MB), "--wiredTigerCacheSizeGB", str(CACHE_GB)]
        parameters = ["initialSyncSourceReadPreference=secondary", "diagnosticDataCollectionEnabled=false"]
        arguments = ["--replSet", replica_set.name, *sizes]
        for parameter in parameters:
            arguments += ["--setParameter", parameter]
        self._replica_set = replica_set
        self.mongod = Mongod(replica_set.binary, directory, arguments)

    def join(self) -> float:
        """Start it and add it to the set; returns how many seconds passed until it was a secondary."""
        began = time.monotonic()
        self.mongod.start()
        self.mongod.wait()
        with self._replica_set.client() as client:
            config = client.admin.command("replSetGetConfig")["config"]
            number = max(member["_id"] for member in config["members"]) + 1
            config["members"].append({"_id": number, "host": self.mongod.address, "votes": 0, "priority": 0})
            client.admin.command("replSetReconfig", {**config, "version": config["version"] + 1})
        self.wait_secondary()
        return time.monotonic() - began

    def wait_secondary(self) -> None:
        """Wait until it is a secondary."""
        with self.mongod.client() as client:
            wait_for("the new member to be a secondary", lambda: _is_secondary(client))

    def leave(self) -> None:
        """Take it out of the set and stop it."""
        with self._replica_set.client() as client:
            config = client.admin.command("replSetGetConfig")["config"]
            config["members"] = [m for m in config["members"] if m["host"] != self.mongod.address]
            client.admin.command("replSetReconfig", {**config, "version": config["version"] + 1})
        self.mongod.release()


def _is_secondary(client: Client) -> bool:
    with contextlib.suppress(PyMongoError):
        return bool(client.admin.command("hello").get("secondary"))
    return False
