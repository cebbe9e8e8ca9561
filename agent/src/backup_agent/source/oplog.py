"""The source's oplog: its edges, how far it reaches back and how fast it grows, and notes in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from backup_agent.errors import Transient
from backup_agent.source.answers import asked
from backup_agent.source.connections import SourceSet
from backup_agent.source.member import raw_collection
from backup_agent.values import REPLIES, Client, Document, Json, Record
from backup_agent.words import told

HOUR = 3600.0
CAPPED_POSITION_LOST = 136
EDGE_ATTEMPTS = 5


@dataclass(frozen=True)
class OplogUse(Record):
    """A member's oplog: how many seconds back it reaches from now, what it holds and what it can hold."""

    seconds: int
    used_bytes: int
    full_bytes: int

    @property
    def window_seconds(self) -> int:
        """How far back it reaches, or will reach at the present rate once it is full."""
        if not 0 < self.used_bytes < self.full_bytes:
            return self.seconds
        return int((self.seconds + 1) * self.full_bytes / self.used_bytes)

    @property
    def bytes_per_hour(self) -> int:
        """How fast it grows. A window of less than an hour may be a single burst of writes: it is taken for an hour's."""
        return int(self.used_bytes * HOUR / max(self.seconds, HOUR))

    def to_json(self) -> Json:
        """Return what `resources` shows."""
        return {"window_seconds": self.seconds, "used_bytes": self.used_bytes, "bytes_per_hour": self.bytes_per_hour}


def edge_entry(client: Client, newest: bool) -> RawBSONDocument | None:
    """Return the newest or the oldest entry of a member's oplog.

    A scan that begins at the oldest entry loses its place when the member removes that entry meanwhile. It is begun again.
    """
    oplog = raw_collection(client, "local.oplog.rs")

    def find(attempts: int = EDGE_ATTEMPTS) -> RawBSONDocument | None:
        try:
            return oplog.find_one({}, sort=[("$natural", -1 if newest else 1)])
        except OperationFailure as error:
            if error.code != CAPPED_POSITION_LOST or attempts == 1:
                raise
            return find(attempts - 1)

    return asked("oplog", find)


def entry_at(client: Client, ts: Timestamp) -> RawBSONDocument | None:
    """Return the oplog entry with exactly this timestamp, or None."""
    oplog = raw_collection(client, "local.oplog.rs")
    return asked("oplog", lambda: oplog.find_one({"ts": ts}))


def oplog_use(client: Client) -> OplogUse:
    """Return how far back a member's oplog reaches, and how full it is.

    Counted to the member's own clock and not to its newest entry, or an idle set would seem to have no window at all; but to that
    entry where the clock was set back, for entries stay ahead of it then.
    """
    oldest, newest = edge_entry(client, newest=False), edge_entry(client, newest=True)
    if oldest is None or newest is None:
        return OplogUse(0, 0, 0)
    now = asked("hello", lambda: client.admin.command("hello", codec_options=REPLIES))["localTime"].replace(tzinfo=UTC)
    seconds = max(int(now.timestamp()), int(newest["ts"].time)) - int(oldest["ts"].time)
    pipeline: list[Document] = [
        {"$collStats": {"storageStats": {}}},
        {"$project": {"storageStats.size": 1, "storageStats.maxSize": 1}},
    ]
    found = asked("collStats", lambda: next(iter(client.local["oplog.rs"].aggregate(pipeline)), {}))
    storage = found.get("storageStats", {})
    return OplogUse(seconds, int(storage.get("size", 0)), int(storage.get("maxSize", 0)))


def oplog_note(sources: SourceSet, text: str) -> Timestamp:
    """Write a note into the source's oplog and return its timestamp; it needs the role `backup` and a primary."""
    client = sources.seeds()
    options: Document = {"data": {"msg": text}, "writeConcern": {"w": "majority", "wtimeout": 30_000}}
    reply = asked("appendOplogNote", lambda: client.admin.command("appendOplogNote", 1, **options))
    if "writeConcernError" in reply:  # the driver leaves it to the caller of a plain command
        raise Transient(f"expected a note that a majority has, found: {told(reply['writeConcernError'])}")
    written: Timestamp = reply["operationTime"]
    return written
