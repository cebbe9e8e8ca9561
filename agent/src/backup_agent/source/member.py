"""What one member is asked: its state, its majority-committed time, its documents as raw bytes."""

from __future__ import annotations

from typing import Any, cast

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from backup_agent.source.answers import asked
from backup_agent.source.topology import timestamp_of
from backup_agent.values import RAW, REPLIES, Client

MAJORITY = ReadConcern("majority")


def member_majority(client: Client) -> Timestamp | None:
    """Return the timestamp up to which this member can show majority-committed data.

    It may have heard of a later commit point than it has applied, so the earliest of what it says counts.
    """
    optimes = asked("replSetGetStatus", lambda: client.admin.command("replSetGetStatus", codec_options=REPLIES))[
        "optimes"
    ]
    names = ("lastCommittedOpTime", "readConcernMajorityOpTime", "appliedOpTime")
    found = [ts for name in names if (ts := timestamp_of(optimes.get(name))) is not None]
    return min(found) if len(found) == len(names) else None


def member_state(client: Client) -> str:
    """Return `PRIMARY`, `SECONDARY`, … as the member says of itself."""
    hello = asked("hello", lambda: client.admin.command("hello", codec_options=REPLIES))
    if hello.get("isWritablePrimary"):
        return "PRIMARY"
    return "SECONDARY" if hello.get("secondary") else "OTHER"


def raw_collection(client: Client, namespace: str, concern: ReadConcern | None = None) -> Collection[RawBSONDocument]:
    """Return a collection whose documents are read as raw bytes."""
    database, _, name = namespace.partition(".")
    found: Any = client[database].get_collection(name, codec_options=cast(Any, RAW), read_concern=concern)
    return cast("Collection[RawBSONDocument]", found)
