"""Validation of a capped collection, of which the server has no reads at a time that is past.

The source is read in its natural order as it is now, after T, while the head stands still at T. What was read is what it held at
T when the oplog has no entry of the collection from T to the end of the read; otherwise nothing is known, and it is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bson.binary import Binary
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent.compare import digest
from backup_agent.compare.digest import Side
from backup_agent.errors import Transient
from backup_agent.source.connections import member_majority, raw_collection
from backup_agent.values import Client


def compare(source: Side, head: Side, at: Timestamp, each: Callable[[], None]) -> tuple[int, str | None] | None:
    """Return the number of the source's documents and what differs; None when the collection was written to meanwhile.

    The head stands still at `at`. Raises PyMongo's errors and Transient.
    """
    there = digest.read(replace(source, natural=True, after=at, at=None), each=each)
    if written_since(source.client, source.collection, at):
        return None
    here = digest.read(replace(head, natural=True), each=each)
    if (there.documents, there.digest) == (here.documents, here.digest):
        return there.documents, None
    return there.documents, (
        f"expected digest {there.digest[:16]} ({there.documents} documents, in their order), "
        f"found {here.digest[:16]} ({here.documents})"
    )


def written_since(client: Client, collection: Binary | str, at: Timestamp) -> bool:
    """Say whether the oplog has an entry of a collection after `at`; one without a UUID counts as written to.

    Capped collections are not written to in transactions, so every write is an entry of its own. Raises Transient when the
    member has not committed as far as it has been read.
    """
    if isinstance(collection, str):
        return True
    try:
        entry = raw_collection(client, "local.oplog.rs").find_one({"ts": {"$gt": at}, "ui": collection})
        majority = member_majority(client)
    except PyMongoError as error:
        raise Transient(f"validation: expected the oplog after {at}, found: {str(error)[:200]}") from error
    if majority is None or majority.ts < at:
        raise Transient(f"validation: expected a member that has committed {at}, found {majority}")
    return entry is not None
