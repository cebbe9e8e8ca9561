"""Copy collections from a secondary to the head: raw batches, several collections at once.

Every read is majority-committed and not older than Tc (`afterClusterTime`), also on another source. A collection that was copied
whole stays copied after a crash; one that was interrupted is dropped on the head and copied again. They are listed at the start
of a sync, found again by UUID, and made empty on the head before their copy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from backup_agent.errors import OperationFailed
from backup_agent.namespaces import OWN_DATABASE, SYSTEM_VIEWS, Whereabouts, described, indexes, listed, split, uuid_in
from backup_agent.raw import pages
from backup_agent.raw.memory import PIECES
from backup_agent.replay.catalogue import Catalogue
from backup_agent.replay.statements import insert
from backup_agent.replay.views import TIME_SERIES, VIEW, make_catalogue, put_view
from backup_agent.state.records import Copied
from backup_agent.values import Client

GONE = (26, 175, 136, 43, 11602)
"""NamespaceNotFound, QueryPlanKilled, CappedPositionLost, CursorNotFound, InterruptedDueToReplStateChange: look again."""


class Moved(Exception):
    """The collection no longer has the name that it was listed with."""


@dataclass
class Tally:
    """What has been copied, counted by all threads together."""

    documents: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def add(self, documents: int, size: int) -> None:
        """Count one batch."""
        with self._lock:
            self.documents += documents
            self.bytes += size


# The collections ----------------------------------------------------------------------------------------------------------


def uuid_of(client: Client, namespace: str) -> bytes | None:
    """Return the UUID that a name has on a member now."""
    info = described(client, namespace)
    return uuid_in(info) if info is not None else None


def describe_collections(client: Client) -> list[Copied]:
    """List what is to be copied: name, UUID, kind and size. Views come last: a time series is one, of its buckets."""
    collections = []
    for database, info in listed(client, catalogues=True):
        namespace = f"{database}.{info['name']}"
        ui = uuid_in(info)
        view = ui is None or info["name"] == SYSTEM_VIEWS
        size = 0 if view else int(storage(client, namespace).get("size", 0))
        collections.append(Copied(namespace, ui.hex() if ui and not view else None, view, size))
    return sorted(collections, key=lambda collection: collection.view)


def prepare(source: Client, head: Client, catalogue: Catalogue, collection: Copied, whereabouts: Whereabouts) -> bool:
    """Make an empty collection on the head, with the indexes in the model; False when there is nothing to copy.

    A collection that was renamed meanwhile gets its new name in `collection`. A view is put in place here. Raises OperationFailed
    for one that cannot be described again.
    """
    try:
        return _prepare(source, head, catalogue, collection, whereabouts)
    except UnicodeEncodeError as error:
        raise OperationFailed(
            f"{collection.namespace}: expected options and indexes in UTF-8, found {error.object!r}; change its validator with "
            "collMod, or drop and make the index again"
        ) from error


def _prepare(source: Client, head: Client, catalogue: Catalogue, collection: Copied, whereabouts: Whereabouts) -> bool:
    if collection.view:
        _put_view(source, head, collection.namespace)
        return False
    ui = collection.uuid
    info = described(source, collection.namespace)
    while info is None or uuid_in(info) != ui:
        namespace = whereabouts.of(ui, no_longer=collection.namespace)
        if namespace is None:
            return False  # dropped at the source: the entry that says so has been captured
        collection.namespace = namespace
        info = described(source, collection.namespace)
    specs = indexes(source, *split(collection.namespace))
    catalogue.drop(ui)
    catalogue.create(ui, collection.namespace, info.get("options", {}), info.get("idIndex"))
    catalogue.model.set_indexes(ui, specs)
    return True


def _put_view(source: Client, head: Client, namespace: str) -> None:
    """Put a view in place, and before it the collection that holds it; that one alone where it is what is named."""
    database, name = split(namespace)
    catalogue = uuid_of(source, f"{database}.{SYSTEM_VIEWS}")
    if catalogue is not None:
        make_catalogue(head, database, catalogue)
    info = described(source, namespace) if name != SYSTEM_VIEWS else None
    if info is not None and info["type"] in (VIEW, TIME_SERIES):
        put_view(head, database, info)


# Their documents ----------------------------------------------------------------------------------------------------------


@dataclass
class Copier:
    """Copies single collections from one member to one head."""

    source: Client
    head: Client
    after: Timestamp
    """Tc: nothing older is read."""
    tally: Tally
    halt: Callable[[], bool]
    """Asked between batches; True ends the copy early (canceled, or time is up)."""

    def copy(self, namespace: str, ui: bytes) -> tuple[int, int]:
        """Copy every document of a collection; returns documents and bytes.

        Raises Moved when the name belongs to another collection by now, PyMongoError when either side fails.
        """
        database, collection = split(namespace)
        try:
            with pages.opened(self.source, database, self._find(collection)) as cursor:
                return self._copy_pages(cursor, namespace, ui)
        except OperationFailure as error:
            if error.code in GONE and uuid_of(self.source, namespace) != ui:
                raise Moved(namespace) from error
            raise

    def _copy_pages(self, cursor: pages.Cursor, namespace: str, ui: bytes) -> tuple[int, int]:
        documents = size = 0
        expected = storage(self.source, namespace).get("avgObjSize", 0)
        while cursor.alive and not self.halt():
            with PIECES.piece(max(pages.PAGE_BYTES, int(expected))):
                copied, expected = self._copy_page(cursor, namespace, None if documents else ui)
            documents, size = documents + copied, size + expected
        return documents, size

    def _copy_page(self, cursor: pages.Cursor, namespace: str, ui: bytes | None) -> tuple[int, int]:
        """Copy a page; returns documents and bytes. With a UUID the name must have it, now that something was read by it."""
        page = cursor.next_page()
        if ui is not None and uuid_of(self.source, namespace) != ui:
            raise Moved(namespace)
        database, collection = split(namespace)
        copied, size = insert(self.head[database], collection, page)
        self.tally.add(copied, size)
        return copied, size

    def _find(self, collection: str) -> dict[str, Any]:
        """Return the command; a name without documents gives one page of none: it may be empty, or belong to nobody."""
        concern = {"level": "majority", "afterClusterTime": self.after}
        return {"find": collection, "hint": {"$natural": 1}, "readConcern": concern}


def storage(client: Client, namespace: str) -> Mapping[str, Any]:
    """Return a collection's storage statistics (`size`, `avgObjSize`, … in bytes), nothing when it is gone."""
    database, collection = split(namespace)
    try:
        found = next(client[database][collection].aggregate([{"$collStats": {"storageStats": {}}}]), {})
    except OperationFailure:
        return {}
    statistics: Mapping[str, Any] = found.get("storageStats", {})
    return statistics


def journal(head: Client) -> None:
    """Return when everything written to the head so far is durable (its journal is one sequence)."""
    journal = head[OWN_DATABASE].get_collection("journal", write_concern=WriteConcern(w=1, j=True))
    journal.update_one({"_id": 1}, {"$inc": {"n": 1}}, upsert=True)
