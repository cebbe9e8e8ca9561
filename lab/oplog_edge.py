"""The ends of a member's oplog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import OperationFailure

if TYPE_CHECKING:
    from bson.timestamp import Timestamp

    from lab.mongod import Client

CAPPED_POSITION_LOST = 136


def edge(client: Client, way: int) -> Timestamp:
    """Return the timestamp of the oldest (1) or newest (-1) entry.

    A scan that begins at the oldest entry loses its place when the member removes that entry meanwhile; it is begun again.
    """
    while True:
        try:
            entry = client.local["oplog.rs"].find({}, {"ts": 1}).sort("$natural", way).limit(1).next()
        except OperationFailure as error:
            if error.code != CAPPED_POSITION_LOST:
                raise
        else:
            found: Timestamp = entry["ts"]
            return found
