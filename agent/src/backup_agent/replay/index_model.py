"""The model of a head's collections at the consistency point: their indexes, and whether they are capped.

Until then a head has `_id` indexes only (a fuzzy copy can hold two documents of one unique key) and no capped collections
(they would evict documents that the replay still needs).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.binary import Binary
from bson.son import SON
from pymongo.write_concern import WriteConcern

from backup_agent.namespaces import MODEL, ORDERED, OWN_DATABASE
from backup_agent.values import Client

UUID_SUBTYPE = 4

Specs = list[SON[str, Any]]


def uuid_binary(ui: bytes) -> Binary:
    """Return the BSON value of a collection's UUID."""
    return Binary(ui, UUID_SUBTYPE)


class IndexModel:
    """The model, in the agent's own database on the head. A change is durable as soon as a later write is."""

    def __init__(self, client: Client) -> None:
        """Nothing is read yet."""
        self._table = client[OWN_DATABASE].get_collection(MODEL, codec_options=ORDERED, write_concern=WriteConcern(w=1))

    def set_indexes(self, ui: bytes, specs: Specs) -> None:
        """Write the indexes that a collection is to have."""
        self._table.update_one({"_id": uuid_binary(ui)}, {"$set": {"indexes": specs}}, upsert=True)

    def indexes(self, ui: bytes) -> Specs:
        """Return the indexes that a collection is to have."""
        return list((self._table.find_one({"_id": uuid_binary(ui)}) or {}).get("indexes", []))

    def set_capped(self, ui: bytes, options: Mapping[str, Any] | None) -> None:
        """Write with what options a collection is to become capped; None: it is not, or has become it."""
        change = {"$unset": {"capped": 1}} if options is None else {"$set": {"capped": SON(options)}}
        self._table.update_one({"_id": uuid_binary(ui)}, change, upsert=True)

    def capped(self) -> dict[bytes, SON[str, Any]]:
        """Return the options of the collections that are to become capped, by UUID."""
        return {bytes(found["_id"]): found["capped"] for found in self._table.find({"capped": {"$exists": True}})}

    def forget(self, ui: bytes) -> None:
        """Forget a collection that was dropped."""
        self._table.delete_one({"_id": uuid_binary(ui)})

    def add(self, ui: bytes, specs: Specs) -> None:
        """Add indexes; one of the same name is replaced."""
        names = {spec["name"] for spec in specs}
        self.set_indexes(ui, [spec for spec in self.indexes(ui) if spec["name"] not in names] + specs)

    def remove(self, ui: bytes, index: str) -> None:
        """Take an index away, or with `*` all of them."""
        self.set_indexes(ui, [spec for spec in self.indexes(ui) if index != "*" and spec["name"] != index])

    def _refused(self, ui: bytes) -> Specs:
        return list((self._table.find_one({"_id": uuid_binary(ui)}, {"refused": 1}) or {}).get("refused", []))

    def _set_refused(self, ui: bytes, refused: Specs) -> None:
        """Write all of them at once: after a crash the list is the old one or the new one."""
        change = {"$set": {"refused": refused}} if refused else {"$unset": {"refused": 1}}
        self._table.update_one({"_id": uuid_binary(ui)}, change, upsert=True)

    def refuse(self, ui: bytes, spec: SON[str, Any], reason: str) -> None:
        """Note an index that the head refused to build: what it is, and why it is not there."""
        others = [one for one in self._refused(ui) if one["spec"]["name"] != spec["name"]]
        self._set_refused(ui, [*others, SON([("spec", spec), ("reason", reason)])])

    def allow(self, ui: bytes, index: str) -> None:
        """Forget that an index was refused, or with `*` all of them: it was dropped at the source, or is there now."""
        refused = self._refused(ui)
        left = [one for one in refused if index != "*" and one["spec"]["name"] != index]
        if left != refused:
            self._set_refused(ui, left)

    def modify_refused(self, ui: bytes, change: Mapping[str, Any]) -> bool:
        """Change the options of a refused index as `collMod` does; returns whether it is one."""
        refused = self._refused(ui)
        meant = [one["spec"] for one in refused if _is_meant(one["spec"], change)]
        for spec in meant:
            _change(spec, change)
        if meant:
            self._set_refused(ui, refused)
        return bool(meant)

    def modify(self, ui: bytes, change: Mapping[str, Any]) -> None:
        """Change the options of an index as `collMod` does."""
        specs = self.indexes(ui)
        for spec in specs:
            if _is_meant(spec, change):
                _change(spec, change)
        self.set_indexes(ui, specs)


def _is_meant(spec: SON[str, Any], change: Mapping[str, Any]) -> bool:
    return bool(spec["name"] == change.get("name") or spec["key"] == change.get("keyPattern"))


def _change(spec: SON[str, Any], change: Mapping[str, Any]) -> None:
    """Options that are off are not listed by the server, and an index that became unique no longer prepares for it."""
    spec.update({name: value for name, value in change.items() if name not in ("name", "keyPattern", "forceNonUnique")})
    if change.get("forceNonUnique"):
        spec.pop("unique", None)
    for name in ("hidden", "prepareUnique"):
        if name in spec and not spec[name]:
            del spec[name]
    if spec.get("unique"):
        spec.pop("prepareUnique", None)
