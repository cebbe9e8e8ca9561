# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to mongod, and the few reads that the modules need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timezone
from typing import Any

try:
    from pymongo import MongoClient, ReadPreference
    from pymongo.errors import OperationFailure
except ImportError:
    HAS_PYMONGO = False
else:
    HAS_PYMONGO = True

from ..errors import FixInput, RetryLater, sentence
from ..oplog.lost_place import asked_again
from ..oplog.oplog import Stamp, Window
from ..topology import Member, from_hello, from_status, state_of
from .driver_errors import UNAUTHORIZED, described
from .login import LOGIN, Login

#: What a connection is made of is part of it: callers import it from here.
__all__ = ["HAS_PYMONGO", "LOGIN", "Login", "described", "members", "oplog", "shards", "window"]


def ask(client: MongoClient[dict[str, Any]], command: str) -> dict[str, Any]:
    """Run an administrative command on the primary, or on a secondary where there is none; the driver alone asks no other."""
    return client.admin.command(
        command, read_preference=ReadPreference.PRIMARY_PREFERRED, codec_options=_replies(client)
    )


def _replies(client: MongoClient[dict[str, Any]]) -> Any:
    """Return how replies are read: a member's tag, or an error, may hold a string that is not UTF-8."""
    return client.codec_options.with_options(unicode_decode_error_handler="backslashreplace")


def members(client: MongoClient[dict[str, Any]]) -> tuple[str, list[Member]]:
    """Return the name and the members of the replica set; less is known about them without clusterMonitor."""
    hello = ask(client, "hello")
    name = hello.get("setName")
    if not name:
        found, remedy = _instead_of_a_member(hello)
        message = sentence(expected="a member of a replica set", found=found, remedy=remedy)
        raise FixInput(message, code="not_a_replica_set")
    try:
        return str(name), from_status(ask(client, "replSetGetConfig"), ask(client, "replSetGetStatus"))
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return str(name), from_hello(hello)


def shards(client: MongoClient[dict[str, Any]]) -> dict[str, str] | None:
    """Return the shards that config servers know, each with its replica set and seeds; None for any other replica set.

    A member of the config servers says so in its reply to `hello`, by `configsvr`.
    """
    if "configsvr" not in ask(client, "hello"):
        return None
    known = client.config.get_collection("shards", read_preference=ReadPreference.PRIMARY_PREFERRED)
    found = known.find({}, {"host": 1}).sort("_id", 1)
    return {str(shard["_id"]): str(shard["host"]) for shard in found}


def _instead_of_a_member(hello: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a server that names no replica set is, and what to do."""
    if hello.get("msg") == "isdbgrid":
        return "a mongos", "give the address of a member of a shard or of the config servers"
    if hello.get("isreplicaset"):
        return (
            "a member of a replica set that was not initiated, or that left it",
            "initiate the set, or name another member",
        )
    return "a server outside of any replica set", "give the address of a member"


def oplog(client: MongoClient[dict[str, Any]]) -> Any:
    """Return the oplog of the connected member as a collection."""
    return client.local["oplog.rs"]


def window(client: MongoClient[dict[str, Any]], replica_set: str | None = None) -> tuple[str, Window]:
    """Return the state that the connected member claims, and its oplog window.

    With the name of a set, a server that does not belong to it now, or is neither primary nor secondary, is refused with
    RetryLater: without the role clusterMonitor nobody else says so.
    """
    hello = client.admin.command("hello", codec_options=_replies(client))
    if replica_set is not None:
        _demand_member(hello, replica_set)
    first, last = (_entry(client, direction) for direction in (1, -1))
    its_time = hello["localTime"].replace(tzinfo=timezone.utc).timestamp()
    more = {
        "min_retention_hours": _min_retention(client),
        "clock_skew_seconds": round(its_time - time.time(), 1),
        "ahead_seconds": last.time - its_time,
    }
    return state_of(hello), Window(first, last, *_fill(client), **more)


def _demand_member(hello: Mapping[str, Any], replica_set: str) -> None:
    found = hello.get("setName")
    if found != replica_set:
        what = f"one of {found}" if found else "a server that is in no replica set now"
        message = sentence(expected=f"a member of {replica_set}", found=what, remedy="see why it was started like that")
        raise RetryLater(message, code="not_a_member")
    if state_of(hello) == "UNKNOWN":
        found = "neither, as while it starts, recovers or rolls back"
        message = sentence(expected="a primary or a secondary", found=found, remedy="wait until it is, or see its log")
        raise RetryLater(message, code="not_readable")


def _entry(client: MongoClient[dict[str, Any]], direction: int) -> Stamp:
    order = [("$natural", direction)]
    found = asked_again(lambda: oplog(client).find_one({}, {"ts": 1, "_id": 0}, sort=order))
    if found is None:
        message = sentence(expected="entries in the oplog", found="none", remedy="check that the member is initialized")
        raise RetryLater(message, code="empty_oplog")
    return Stamp(found["ts"].time, found["ts"].inc)


def storage_of(client: MongoClient[dict[str, Any]]) -> dict[str, Any]:
    """Return the storage statistics of the connected member's oplog: `size`, `maxSize`, `storageSize` in bytes, `count`."""
    stats: dict[str, Any] = next(iter(oplog(client).aggregate([{"$collStats": {"storageStats": {}}}])), {})
    return dict(stats.get("storageStats", {}))


def _fill(client: MongoClient[dict[str, Any]]) -> tuple[int | None, int | None, int | None]:
    """Return used and greatest size of the oplog, and its number of entries; a user without the right to ask gets none."""
    try:
        storage = storage_of(client)
    except OperationFailure:
        return None, None, None
    return _whole(storage.get("size")), _whole(storage.get("maxSize")), _whole(storage.get("count"))


def _min_retention(client: MongoClient[dict[str, Any]]) -> float | None:
    """Return for how many hours the server keeps entries at least; a user without the right to ask gets none."""
    try:
        found = client.admin.command("serverStatus")
    except OperationFailure:
        return None
    if "oplogTruncation" not in found:
        return None
    # Seen on 6.0.5: left out where none was ever set.
    return float(found["oplogTruncation"].get("oplogMinRetentionHours", 0))


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
