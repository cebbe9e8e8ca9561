"""Views and databases that were dropped and made again while a copy was made: what came before must not come back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import encode
from bson.binary import UUID_SUBTYPE, Binary
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.head import Mongod
from backup_agent.replay import views
from backup_agent.replay.catalogue import Catalogue
from backup_agent.replay.stream import Unit
from backup_agent.times import OpTime
from backup_agent.values import RAW, Client
from lab.binaries import find_mongod

EARLIER, LATER, OTHER = (uuid.uuid4().bytes for _ in range(3))
VIEW = {"viewOn": "orders", "pipeline": []}
ID_INDEX = {"v": 2, "key": {"_id": 1}, "name": "_id_"}


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Client]:
    """Give the client of a head."""
    mongod = Mongod(find_mongod(), tmp_path / "head", tmp_path / "head.sock", 256)
    try:
        yield mongod.start()
    finally:
        mongod.stop()


def replay(catalogue: Catalogue, *entries: dict[str, Any]) -> None:
    """Replay entries in the form in which a source writes them, before the consistency point."""
    for second, entry in enumerate(entries, start=1):
        optime = OpTime(Timestamp(second, 1), 1)
        catalogue.command(Unit(optime, 0, None, command=RawBSONDocument(encode(entry), RAW)))


def defined(name: str, ui: bytes, kind: str = "i") -> dict[str, Any]:
    """Return the entry that defines a view."""
    identity = {"_id": name}
    entry = {"op": kind, "ns": f"{name.split('.', maxsplit=1)[0]}.system.views", "ui": Binary(ui, UUID_SUBTYPE)}
    return {**entry, "o": identity if kind == "d" else {**identity, **VIEW}}


def command(database: str, ui: bytes | None, **o: Any) -> dict[str, Any]:
    """Return the entry of a command."""
    ui_field = {"ui": Binary(ui, UUID_SUBTYPE)} if ui else {}
    return {"op": "c", "ns": f"{database}.$cmd", **ui_field, "o": o}


def test_views_of_a_database_that_was_dropped_stay_away(head: Client) -> None:
    """The copy read the database that was made again. Entries about the one before it find its catalogue, and are not for it."""
    views.make_catalogue(head, "shop", LATER)
    views.put_view(head, "shop", {"name": "new", "type": "view", "options": VIEW})
    replay(
        Catalogue(head, strict=False),
        defined("shop.old", EARLIER),
        defined("shop.new", EARLIER, kind="d"),
        command("shop", EARLIER, drop="system.views"),
        command("shop", None, dropDatabase=1),
    )
    assert ["new", "system.views"] == sorted(head["shop"].list_collection_names())


@pytest.mark.parametrize("first", [defined("Shop.old", EARLIER), command("Shop", EARLIER, create="system.views")])
@pytest.mark.parametrize("holds_collections", [True, False])
def test_a_database_in_another_case_makes_way(head: Client, first: dict[str, Any], holds_collections: bool) -> None:
    """The copy holds `shop`, which was made after `Shop` was dropped; what is replayed then makes it again."""
    catalogue = Catalogue(head, strict=False)
    if holds_collections:
        catalogue.create(OTHER, "shop.orders", {}, ID_INDEX)
    views.make_catalogue(head, "shop", LATER)
    views.put_view(head, "shop", {"name": "new", "type": "view", "options": VIEW})
    replay(
        catalogue,
        first,
        command("Shop", EARLIER, drop="system.views"),
        command("Shop", None, dropDatabase=1),
        command("shop", LATER, create="system.views"),
        defined("shop.new", LATER),
    )
    assert ["new", "system.views"] == sorted(head["shop"].list_collection_names())
    assert "Shop" not in head.list_database_names()
