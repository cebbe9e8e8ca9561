"""Insert pages of raw documents into the head, in commands of a few megabytes."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.database import Database

from backup_agent.errors import OperationFailed
from backup_agent.plan import restore_zeros, zero_timestamps
from backup_agent.source import RAW

INSERT_BYTES = 8 * 1024 * 1024


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
    command = SON([("insert", collection), ("documents", documents), ("ordered", ordered)])
    command["bypassDocumentValidation"] = True
    command["writeConcern"] = {"w": 1}
    _require(target.command(command), collection)
    zeros = [restore_zeros(document, names) for document in documents if (names := zero_timestamps(document))]
    if zeros:
        update = SON([("update", collection), ("updates", zeros), ("bypassDocumentValidation", True)])
        update["writeConcern"] = {"w": 1}
        _require(target.command(update), collection)


def _require(reply: dict[str, Any], collection: str) -> None:
    errors = reply.get("writeErrors")
    if errors:
        raise OperationFailed(
            f"{collection}: expected the head to take every document of the copy, it refused {len(errors)}: "
            f"{errors[0].get('errmsg')}"[:500]
        )
