"""A real sharded cluster of three replica sets, without a router: what a mongos would ask of its members is asked directly.

Config servers and shards do the work themselves: commands that begin with `_configsvr` and `_shardsvr` are what they tell each
other. So the metadata, the chunk migrations and the entries in every oplog are real. What no router routed is what clients write:
they write to a shard directly.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from bson.son import SON

from lab.replica_set import Member, ReplicaSet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from pymongo.database import Database

MAJORITY = {"w": "majority"}


class ShardedCluster:
    """Config servers and two shards, of a primary and a secondary each; as a context manager it is started and removed."""

    def __init__(self, directory: Path, oplog_mb: int = 64) -> None:
        """Nothing is started yet."""
        self.config = self._set("cfg", "--configsvr", directory, oplog_mb)
        self.shards = [self._set(f"sh{number}", "--shardsvr", directory, oplog_mb) for number in range(2)]
        self._running = ExitStack()

    @staticmethod
    def _set(name: str, role: str, directory: Path, oplog_mb: int) -> ReplicaSet:
        members = [Member(priority=2), Member()]
        return ReplicaSet(name, members, mongod_args=[role], directory=directory / name, oplog_mb=oplog_mb)

    def __enter__(self) -> Self:
        with ExitStack() as running:
            for replica_set in (self.config, *self.shards):
                running.enter_context(replica_set)
            self._running = running.pop_all()
            for shard in self.shards:
                where = f"{shard.name}/{','.join(shard.addresses)}"
                self._admin("_configsvrAddShard", where, name=shard.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def _admin(self, command: str, value: Any, **fields: Any) -> None:
        with self.config.client() as client:
            client.admin.command(SON([(command, value), *fields.items(), ("writeConcern", MAJORITY)]))

    def shard_collection(self, namespace: str, key: Mapping[str, Any]) -> None:
        """Make a database on the first shard, if it is not there, and a sharded collection in it."""
        database, _, collection = namespace.partition(".")
        self._admin("_configsvrCreateDatabase", database, primaryShardId=self.shards[0].name)
        with self.config.client() as client, self.shards[0].client() as shard:
            version = client.config.databases.find_one({"_id": database}, {"version": 1})
            assert version is not None
            fields = {"shardKey": dict(key), "databaseVersion": version["version"], "writeConcern": MAJORITY}
            shard[database].command(SON([("_shardsvrCreateCollection", collection), *fields.items()]))

    def split(self, namespace: str, at: Mapping[str, Any]) -> None:
        """Split the only chunk of a collection in two."""
        with self.config.client() as client, self.shards[0].client() as shard:
            found = client.config.collections.find_one({"_id": namespace})
            assert found is not None
            (chunk,) = _chunks(client.config, found)
            fields = {
                "from": self.shards[0].name,
                "keyPattern": found["key"],
                "epoch": found["lastmodEpoch"],
                "timestamp": found["timestamp"],
                "min": chunk["min"],
                "max": chunk["max"],
                "splitKeys": [dict(at)],
            }
            shard.admin.command(SON([("splitChunk", namespace), *fields.items()]))

    def move_last_chunk(self, namespace: str, to: int) -> None:
        """Let the last chunk of a collection migrate to a shard."""
        with self.config.client() as client:
            found = client.config.collections.find_one({"_id": namespace})
            assert found is not None
            chunk = _chunks(client.config, found)[-1]
        self._admin("_configsvrMoveRange", namespace, toShard=self.shards[to].name, min=chunk["min"], max=chunk["max"])


def _chunks(config: Database[dict[str, Any]], collection: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(config.chunks.find({"uuid": collection["uuid"]}).sort("min", 1))
