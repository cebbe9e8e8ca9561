"""The collections of an initial sync: listed at its start, found again by UUID, made empty on the head before their copy."""

from __future__ import annotations

from typing import Any

from backup_agent.namespaces import ORDERED, indexes, listed, split
from backup_agent.replay.catalogue import Catalogue
from backup_agent.replay.views import TIME_SERIES, VIEW, put_view
from backup_agent.state.records import Copied
from backup_agent.sync.copying import find_by_uuid, storage, uuid_in
from backup_agent.values import Client


def describe_collections(client: Client) -> list[Copied]:
    """List what is to be copied: name, UUID, kind and size. Views come last: a time series is one, of its buckets."""
    collections = []
    for database, info in listed(client):
        namespace = f"{database}.{info['name']}"
        ui = uuid_in(info)
        size = 0 if ui is None else int(storage(client, namespace).get("size", 0))
        collections.append(Copied(namespace, ui.hex() if ui else None, ui is None, size))
    return sorted(collections, key=lambda collection: collection.view)


def prepare(source: Client, head: Client, catalogue: Catalogue, collection: Copied) -> bool:
    """Make an empty collection on the head, with the indexes in the model; False when there is nothing to copy.

    A collection that was renamed meanwhile gets its new name in `collection`. A view is put in place here.
    """
    if collection.view:
        _put_view(source, head, collection.namespace)
        return False
    ui = collection.uuid
    info = _info(source, collection.namespace)
    while info is None or uuid_in(info) != ui:
        name = find_by_uuid(source, ui)
        if name is None:
            return False  # dropped at the source: the entry that says so has been captured
        collection.namespace = name
        info = _info(source, name)
    specs = indexes(source, *split(collection.namespace))
    catalogue.drop(ui)
    catalogue.create(ui, collection.namespace, info.get("options", {}), info.get("idIndex"))
    catalogue.model.set_indexes(ui, specs)
    return True


def _put_view(source: Client, head: Client, namespace: str) -> None:
    info = _info(source, namespace)
    if info is not None and info["type"] in (VIEW, TIME_SERIES):
        put_view(head, split(namespace)[0], info)


def _info(source: Client, namespace: str) -> Any:
    """Return what listCollections says of a name now, or None."""
    database, name = split(namespace)
    found = source.get_database(database, codec_options=ORDERED).list_collections(filter={"name": name})
    return next(iter(found), None)
