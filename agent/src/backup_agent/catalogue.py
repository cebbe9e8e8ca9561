"""The head's catalogue: which collection has which UUID, its indexes, and how commands of the oplog change both.

Entries are addressed by UUID, never by the name in them: while a copy goes on a name may already belong to another collection.
Collections are created by `applyOps` with the source's UUID; the server then moves a collection that holds the name out of the
way, as it does for its own secondaries (`createCollectionForApplyOps`, `renameCollectionForApplyOps`).

Every command here can be applied again after a crash: the position moves only after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import decode
from bson.binary import Binary
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from backup_agent.errors import ResyncRequired, Unsupported
from backup_agent.namespaces import ORDERED, OWN_DATABASE, listed, split, why_not_copied
from backup_agent.stream import Unit, command_name, describe
from backup_agent.times import OpTime

NAMESPACE_NOT_FOUND = 26
INDEX_NOT_FOUND = 27
NAMESPACE_EXISTS = 48
UUID_SUBTYPE = 4

JOURNALED = {"w": 1, "j": True}

Client = MongoClient[dict[str, Any]]
_AS_SON: CodecOptions[SON[str, Any]] = ORDERED

HANDLERS = {
    "create": "_on_create",
    "drop": "_on_drop",
    "renameCollection": "_on_rename",
    "collMod": "_on_coll_mod",
    "createIndexes": "_on_create_indexes",
    "commitIndexBuild": "_on_create_indexes",
    "dropIndexes": "_on_drop_indexes",
    "deleteIndexes": "_on_drop_indexes",
}
"""The method for each command that the table calls a COMMAND."""


def uuid_binary(ui: bytes) -> Binary:
    """Return the BSON value of a collection's UUID."""
    return Binary(ui, UUID_SUBTYPE)


def refuse_unsupported(namespace: str, options: Mapping[str, Any]) -> None:
    """Raise Unsupported for a collection that this version cannot keep faithfully, naming it."""
    for option, what in (("capped", "capped"), ("timeseries", "a time series")):
        if options.get(option):
            raise Unsupported(
                f"{namespace} is {what} collection: this version cannot replay it faithfully; "
                "drop it at the source or wait for a version that can"
            )


class Catalogue:
    """What the head knows of collections. `building` is false until the consistency point: then only the model has indexes."""

    def __init__(self, client: Client, building: bool) -> None:
        """Read the head's catalogue."""
        self._client = client
        self.building = building
        self._model = client[OWN_DATABASE].get_collection("model", codec_options=_AS_SON)
        self._names: dict[bytes, str] = {}
        self._in_order: dict[bytes, bool] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read names and UUIDs again."""
        self._in_order.clear()
        self._names = {
            bytes(info["info"]["uuid"]): f"{database}.{info['name']}"
            for database, info in listed(self._client)
            if info.get("info", {}).get("uuid") is not None
        }

    def name(self, ui: bytes) -> str | None:
        """Return the name that a collection has on the head, or None when it is not there."""
        return self._names.get(ui)

    def in_order(self, ui: bytes) -> bool:
        """Say whether operations on different `_id`s may name the same document: the index on `_id` has a collation."""
        if ui not in self._in_order:
            database, collection = split(self._names[ui])
            specs = self._client[database][collection].list_indexes()
            self._in_order[ui] = any(spec["name"] == "_id_" and "collation" in spec for spec in specs)
        return self._in_order[ui]

    # Collections ------------------------------------------------------------------------------------------------------

    def create(self, ui: bytes, namespace: str, options: Mapping[str, Any], id_index: Mapping[str, Any] | None) -> None:
        """Create a collection with the source's UUID. One that has this UUID already is given this name."""
        refuse_unsupported(namespace, options)
        database, collection = split(namespace)
        o: SON[str, Any] = SON([("create", collection), *options.items()])
        if id_index is not None and "clusteredIndex" not in options:
            o["idIndex"] = id_index
        self._apply_ops(database, ui, o)
        self.refresh()

    def _apply_ops(self, database: str, ui: bytes | None, o: Any) -> None:
        entry: SON[str, Any] = SON([("op", "c"), ("ns", f"{database}.$cmd")])
        if ui is not None:
            entry["ui"] = uuid_binary(ui)
        entry["o"] = o
        self._client.admin.command(SON([("applyOps", [entry]), ("writeConcern", JOURNALED)]))

    def drop(self, ui: bytes) -> None:
        """Drop a collection by its UUID; one that is not there is no error."""
        name = self.name(ui)
        self._model.delete_one({"_id": uuid_binary(ui)})
        if name is not None:
            database, collection = split(name)
            self._client[database].command(SON([("drop", collection), ("writeConcern", JOURNALED)]))
            self.refresh()

    # The index model --------------------------------------------------------------------------------------------------

    def set_model(self, ui: bytes, specs: list[SON[str, Any]]) -> None:
        """Write the indexes that a collection is to have at the consistency point."""
        self._model.with_options(write_concern=WriteConcern(w=1, j=True)).replace_one(
            {"_id": uuid_binary(ui)}, {"_id": uuid_binary(ui), "indexes": specs}, upsert=True
        )

    def model(self, ui: bytes) -> list[SON[str, Any]]:
        """Return the indexes of the model."""
        found = self._model.find_one({"_id": uuid_binary(ui)})
        return [] if found is None else list(found["indexes"])

    def missing_indexes(self) -> list[tuple[str, list[SON[str, Any]]]]:
        """Return (namespace, indexes to build) for every collection of the model."""
        wanted = []
        for ui, name in sorted(self._names.items(), key=lambda item: item[1]):
            specs = [spec for spec in self.model(ui) if spec["name"] != "_id_" and not spec.get("clustered")]
            if specs:
                wanted.append((name, specs))
        return wanted

    def build(self, namespace: str, specs: list[SON[str, Any]]) -> None:
        """Build indexes; those that exist are left as they are."""
        database, collection = split(namespace)
        self._client[database].command(
            SON(
                [
                    ("createIndexes", collection),
                    ("indexes", specs),
                    ("ignoreUnknownIndexOptions", True),
                    ("writeConcern", JOURNALED),
                ]
            )
        )
        self._in_order.clear()

    # Commands of the oplog --------------------------------------------------------------------------------------------

    def command(self, unit: Unit) -> None:
        """Apply one catalogue entry. Raises Unsupported or ResyncRequired, naming it."""
        entry = unit.command
        assert entry is not None
        if entry["op"] != "c":
            self._outside(entry, unit.optime)
            return
        name = command_name(entry["o"])
        database = split(entry["ns"])[0]
        ui = bytes(entry["ui"]) if "ui" in entry else None
        try:
            getattr(self, HANDLERS[name])(database, ui, entry, unit.optime)
        except OperationFailure as error:
            raise ResyncRequired(
                "corruption", f"{describe('c', entry['ns'], unit.optime, name)}: the head refused it: {error}"
            ) from error

    def _known(self, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> str | None:
        """Return the head's name of an entry's collection.

        None while the copy is being made consistent: the collection was dropped before it could be copied.
        """
        name = None if ui is None else self.name(ui)
        if name is None and self.building:
            raise ResyncRequired(
                "unsafe_apply_ops",
                f"{describe('c', entry['ns'], optime, command_name(entry['o']))}: "
                "expected its collection in the backup, found none",
            )
        return name

    def _on_create(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        o = entry["o"]
        namespace = f"{database}.{o['create']}"
        if o["create"] == "system.views":
            return  # the head makes its own with its first view
        if ui is None:
            raise Unsupported(f"{describe('c', namespace, optime, 'create')}: expected a collection UUID, found none")
        if self.name(ui) == namespace:
            return
        fields = _decoded(o)
        options = {k: v for k, v in fields.items() if k not in ("create", "idIndex")}
        self.create(ui, namespace, options, fields.get("idIndex"))
        if not self.model(ui):
            self.set_model(ui, [])

    def _on_drop(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        if entry["o"]["drop"] == "system.views":
            for info in self._client[database].list_collections(filter={"type": "view"}):
                self._client[database].drop_collection(info["name"])
        elif ui is not None:
            self.drop(ui)

    def _on_rename(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        o = entry["o"]
        target = o["to"]
        dropped = o.get("dropTarget")
        if isinstance(dropped, bytes) and bytes(dropped) != ui:
            self.drop(bytes(dropped))
        name = self._known(ui, entry, optime)
        if name is None or name == target or ui is None:
            return
        renamed = SON([("renameCollection", name), ("to", target), ("stayTemp", bool(o.get("stayTemp", False)))])
        self._apply_ops(split(name)[0], ui, renamed)
        self.refresh()

    def _on_coll_mod(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        name = self._known(ui, entry, optime)
        o = _decoded(entry["o"])
        if name is None or ui is None:
            if split(entry["ns"])[1] == "$cmd" and "viewOn" in o:
                raise Unsupported(f"{describe('c', entry['ns'], optime, 'collMod')}: a view changed by a command entry")
            return
        if "index" in o and not self.building:
            self._modify_model(ui, o.pop("index"))
        if len(o) > 1:
            o["collMod"] = split(name)[1]
            self._apply_ops(split(name)[0], ui, o)

    def _modify_model(self, ui: bytes, change: Mapping[str, Any]) -> None:
        specs = self.model(ui)
        for spec in specs:
            if spec["name"] == change.get("name") or spec["key"] == change.get("keyPattern"):
                spec.update({k: v for k, v in change.items() if k not in ("name", "keyPattern")})
        self.set_model(ui, specs)

    def _on_create_indexes(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        name = self._known(ui, entry, optime)
        if name is None or ui is None:
            return
        specs = _index_specs(_decoded(entry["o"]))
        if self.building:
            self.build(name, specs)
            return
        names = {spec["name"] for spec in specs}
        self.set_model(ui, [spec for spec in self.model(ui) if spec["name"] not in names] + specs)

    def _on_drop_indexes(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        name = self._known(ui, entry, optime)
        if name is None or ui is None:
            return
        index = entry["o"]["index"]
        if not self.building:
            self.set_model(ui, [spec for spec in self.model(ui) if index != "*" and spec["name"] != index])
            return
        self._in_order.clear()
        try:
            self._client[split(name)[0]].command(
                SON([("dropIndexes", split(name)[1]), ("index", index), ("writeConcern", JOURNALED)])
            )
        except OperationFailure as error:
            if error.code != INDEX_NOT_FOUND:  # dropped already, before a crash
                raise

    # What a transaction cannot hold -------------------------------------------------------------------------------------

    def _outside(self, entry: RawBSONDocument, optime: OpTime) -> None:
        database, collection = split(entry["ns"])
        if collection == "system.views":
            self._on_view(entry)
            return
        if why_not_copied(entry["ns"]) is not None:
            return
        target = self._client[database][collection].with_options(write_concern=WriteConcern(w=1, j=True))
        identity = {"_id": (entry.get("o2") or entry["o"])["_id"]}
        if entry["op"] == "d":
            target.delete_one(identity)
        elif entry["op"] == "i":
            target.replace_one(identity, entry["o"], upsert=True)
        else:
            statement = {"q": identity, "u": update_argument(entry["o"], describe("u", entry["ns"], optime))}
            self._client[database].command(
                SON([("update", collection), ("updates", [statement]), ("writeConcern", JOURNALED)])
            )

    def _on_view(self, entry: RawBSONDocument) -> None:
        """A view is made by the view commands, because `system.views` takes no inserts."""
        identity = (entry.get("o2") or entry["o"])["_id"]
        database, view = split(identity)
        if entry["op"] == "d":
            self._client[database].drop_collection(view)
            return
        fields = _decoded(entry["o"])
        if entry["op"] == "u" and "viewOn" not in fields:
            found = next(iter(self._client[database].list_collections(filter={"name": view})), None)
            fields = SON(_changed_view(found["options"] if found else {}, fields))
        self.put_view(database, view, {k: v for k, v in fields.items() if k != "_id"})

    def put_view(self, database: str, view: str, options: Mapping[str, Any]) -> None:
        """Create a view, replacing one of that name."""
        self._client[database].drop_collection(view)
        self._client[database].command(SON([("create", view), *options.items()]))


def _changed_view(options: Mapping[str, Any], diff: Mapping[str, Any]) -> dict[str, Any]:
    """Apply the update of a view's definition, which replaces whole fields (`viewOn`, `pipeline`)."""
    changes = dict(diff.get("diff", {}).get("u", {})) | dict(diff.get("diff", {}).get("i", {}))
    return {**options, **changes}


def _decoded(document: RawBSONDocument) -> SON[str, Any]:
    return decode(document.raw, _AS_SON)


def _index_specs(o: SON[str, Any]) -> list[SON[str, Any]]:
    """Return the specifications in a `createIndexes` entry (one, inline) or a `commitIndexBuild` entry (several)."""
    if "commitIndexBuild" in o:
        return [SON([(k, v) for k, v in spec.items() if k != "ns"]) for spec in o["indexes"]]
    return [SON([(k, v) for k, v in o.items() if k not in ("createIndexes", "ns")])]


def update_argument(o: RawBSONDocument, what: str) -> Any:
    """Return the `u` of an update statement for an oplog update.

    `$v: 2` entries hold a diff, applied by the server's own `$_internalApplyOplogUpdate`; `$v: 1` entries hold modifiers; an
    entry without `$v` replaces the document.
    """
    version = o.get("$v")
    if version == 2:
        return [{"$_internalApplyOplogUpdate": {"oplogUpdate": o}}]
    if version == 1:
        return {name: value for name, value in o.items() if name != "$v"}
    if version is not None:
        raise Unsupported(f"{what}: expected an update of version 1 or 2, found {version}")
    return o
