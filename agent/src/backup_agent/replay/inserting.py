"""Insert pages of raw documents into the head, in commands of a few megabytes."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.database import Database

from backup_agent.errors import OperationFailed
from backup_agent.replay.groups import only_id, restore_zeros, zero_timestamps
from backup_agent.replay.statements import query, replacement
from backup_agent.values import RAW

INSERT_BYTES = 8 * 1024 * 1024
DUPLICATE_KEY = 11000


def insert(
    target: Database[dict[str, Any]], collection: str, page: list[bytes], ordered: bool = False
) -> tuple[int, int]:
    """Insert the documents of a page; returns how many and their bytes. Nothing is journaled by itself.

    Raises OperationFailed when the head does not take every one of them, PyMongoError when it fails.
    """
    documents = [RawBSONDocument(document, RAW) for document in page]
    start = total = 0
    while start < len(documents):
        end, size = start, 0
        while end < len(documents) and (end == start or size + len(documents[end].raw) <= INSERT_BYTES):
            size += len(documents[end].raw)
            end += 1
        _insert_some(target, collection, documents[start:end], ordered)
        start, total = end, total + size
    return len(documents), total


def _insert_some(
    target: Database[dict[str, Any]], collection: str, documents: list[RawBSONDocument], ordered: bool
) -> None:
    reply = _run(target, SON([("insert", collection), ("documents", documents), ("ordered", ordered)]))
    errors = reply.get("writeErrors", [])
    again = [documents[e["index"]] for e in errors if e.get("code") == DUPLICATE_KEY and not ordered]
    _require([e for e in errors if ordered or e.get("code") != DUPLICATE_KEY], collection)
    if again:
        _replace(target, collection, again)
    zeros = [restore_zeros(document, names) for document in documents if (names := zero_timestamps(document))]
    if zeros:
        reply = _run(target, SON([("update", collection), ("updates", zeros)]))
        _require(reply.get("writeErrors", []), collection)


def _replace(target: Database[dict[str, Any]], collection: str, documents: list[RawBSONDocument]) -> None:
    """Put documents in the place of those with the same `_id`.

    Deleted and inserted again while the source is read, a document is met twice, and what was captured meanwhile corrects
    either of the two. There is no unique key but `_id` on a copy that is being made.
    """
    updates = [{"q": query(only_id(d)), "u": replacement(d), "multi": False, "upsert": True} for d in documents]
    reply = _run(target, SON([("update", collection), ("updates", updates)]))
    _require(reply.get("writeErrors", []), collection)


def _run(target: Database[dict[str, Any]], command: SON[str, Any]) -> dict[str, Any]:
    command["bypassDocumentValidation"] = True
    command["writeConcern"] = {"w": 1}
    return target.command(command)


def _require(errors: list[dict[str, Any]], collection: str) -> None:
    if errors:
        raise OperationFailed(
            f"{collection}: expected the head to take every document of the copy, it refused {len(errors)}: "
            f"{errors[0].get('errmsg')}"[:500]
        )
