"""Where an initial sync begins: what its source had committed, and which transactions were open then."""

from __future__ import annotations

import time

from bson.timestamp import Timestamp

from backup_agent.errors import Transient
from backup_agent.source.connections import MAJORITY, asked, member_majority
from backup_agent.state.work import Work
from backup_agent.times import OpTime, show
from backup_agent.values import Client

MAJORITY_WAIT_SECONDS = 60


def oldest_open_transaction(client: Client) -> OpTime | None:
    """Return the start of the oldest transaction that is prepared or open, in the member's majority-committed data.

    Asked after `member_majority`, that data is not older than what that returned. The server takes no time with a read of
    this collection (mongodump looks there the same way).
    """
    table = client.config.get_collection("transactions", read_concern=MAJORITY)
    query = {"state": {"$in": ["prepared", "inProgress"]}}
    found = asked("config.transactions", lambda: table.find_one(query, sort=[("startOpTime.ts", 1)]))
    start = found.get("startOpTime") if found else None
    return OpTime(start["ts"], start["t"]) if start else None


def wait_for_majority(work: Work, client: Client, member: str, after: Timestamp) -> None:
    """Wait until a member's majority-committed data is not older than `after`. Raises Transient when that takes too long."""
    deadline = time.monotonic() + MAJORITY_WAIT_SECONDS
    while True:
        found = member_majority(client)
        if found is not None and found.ts >= after:
            return
        if time.monotonic() > deadline:
            raise Transient(
                f"{member}: expected majority-committed data of {show(after)}, found {show(found.ts if found else None)}"
            )
        work.alive()
        time.sleep(0.1)
