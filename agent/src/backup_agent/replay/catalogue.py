"""The head's catalogue: which collection has which UUID, its indexes, and how commands of the oplog change both.

Entries are addressed by UUID, never by the name in them: while a copy goes on a name may already belong to another collection.
Collections are created by `applyOps` with the source's UUID; the server then moves a collection that holds the name out of the
way, as it does for its own secondaries (`createCollectionForApplyOps`, `renameCollectionForApplyOps`).

Every command here can be applied again after a crash: the position moves only after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from bson import decode
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from bson.son import SON
from pymongo.errors import OperationFailure

from backup_agent.errors import ResyncRequired, Unsupported
from backup_agent.namespaces import ORDERED, SYSTEM_VIEWS, refused_indexes, split, why_not_copied
from backup_agent.replay import views
from backup_agent.replay.capped import plain_options
from backup_agent.replay.feature_version import follow
from backup_agent.replay.groups import Group, Op, describe
from backup_agent.replay.index_model import IndexModel
from backup_agent.replay.names import Names
from backup_agent.replay.refusals import DUPLICATE_KEY, is_about_index, may_pass
from backup_agent.replay.statements import Writer
from backup_agent.replay.stream import Unit, command_name
from backup_agent.replay.views import WRITTEN, apply_command, execute
from backup_agent.times import OpTime
from backup_agent.values import Client
from backup_agent.words import without_values, words

log = structlog.get_logger(__name__)

INDEX_NOT_FOUND = 27
FIRST_INDEX_VERSION = 1

_AS_SON: CodecOptions[SON[str, Any]] = ORDERED

HANDLERS = {
    "create": "_on_create",
    "drop": "_on_drop",
    "dropDatabase": "_on_drop_database",
    "renameCollection": "_on_rename",
    "collMod": "_on_coll_mod",
    "createIndexes": "_on_create_indexes",
    "commitIndexBuild": "_on_create_indexes",
    "dropIndexes": "_on_drop_indexes",
    "deleteIndexes": "_on_drop_indexes",
    "emptycapped": "_on_empty",
}
"""The method for each command that the table calls a COMMAND."""


class Catalogue:
    """What the head knows of collections. `strict` is false until the consistency point: then only the model has indexes."""

    def __init__(self, client: Client, strict: bool, writer: Writer | None = None) -> None:
        """Read the head's catalogue. `writer` writes what no transaction can hold, by default without care."""
        self._client = client
        self.strict = strict
        self.model = IndexModel(client)
        self._not_capped_yet: set[bytes] = set() if strict else set(self.model.capped())
        self._names = Names(client)
        self._in_order: dict[bytes, bool] = {}
        self._writer = writer or Writer(client)

    def name(self, ui: bytes) -> str | None:
        """Return the name that a collection has on the head, or None when it is not there."""
        return self._names.get(ui)

    def in_order(self, ui: bytes) -> bool:
        """Say whether operations on a collection may not change places.

        Either it is to become capped, or the index on `_id` has a collation: different `_id`s may name the same document then.
        """
        if ui in self._not_capped_yet:
            return True
        if ui not in self._in_order:
            database, collection = split(self._names[ui])
            specs = self._client[database][collection].list_indexes()
            self._in_order[ui] = any(spec["name"] == "_id_" and "collation" in spec for spec in specs)
        return self._in_order[ui]

    # Collections ------------------------------------------------------------------------------------------------------

    def create(self, ui: bytes, namespace: str, options: Mapping[str, Any], id_index: Mapping[str, Any] | None) -> None:
        """Create a collection with the source's UUID. One that has this UUID already is given this name.

        A temporary collection is made as a lasting one: the head would drop it when it starts, the source says when it goes.
        """
        database, collection = split(namespace)
        wanted = SON([(name, value) for name, value in options.items() if name != "temp"])
        if not self.strict:
            wanted, capped = plain_options(wanted)
            self.model.set_capped(ui, capped)
            (self._not_capped_yet.add if capped else self._not_capped_yet.discard)(ui)
        self._make_way(database)
        o: SON[str, Any] = SON([("create", collection), *wanted.items()])
        if id_index is not None and "clusteredIndex" not in options:
            o["idIndex"] = id_index
        apply_command(self._client, database, ui, o)
        self._names.put(ui, namespace, bool(wanted.get("capped")))
        self._in_order.pop(ui, None)

    def _make_way(self, database: str) -> None:
        """Drop what a copy holds of a database whose name differs in case alone: no source has both, so it was dropped there.

        Whatever comes after that in the source's oplog is replayed. Later than the consistency point nothing is in the way.
        """
        for other in () if self.strict else self._names.other_cases(database):
            execute(self._client, other, ("dropDatabase", 1))
            self._names.drop_database(other)

    def drop(self, ui: bytes) -> None:
        """Drop a collection by its UUID; one that is not there is no error."""
        name = self.name(ui)
        self.model.forget(ui)
        if name is not None:
            database, collection = split(name)
            views.drop_collection(self._client, database, ui, collection)
            self._names.drop(ui)

    def capped(self, ui: bytes) -> bool:
        """Say whether a collection of the head is capped."""
        return self._names.capped(ui)

    def keeps_order(self, ui: bytes) -> bool:
        """Say whether a collection is to become capped, so that what is inserted belongs at its end."""
        return ui in self._not_capped_yet

    # Indexes ----------------------------------------------------------------------------------------------------------

    def missing_indexes(self) -> list[tuple[bytes, list[SON[str, Any]]]]:
        """Return (UUID, indexes to build) for every collection of the model."""
        wanted = []
        for ui in self._names.in_order():
            specs = [spec for spec in self.model.indexes(ui) if spec["name"] != "_id_" and not spec.get("clustered")]
            if specs:
                wanted.append((ui, specs))
        return wanted

    def build(self, ui: bytes, specs: list[SON[str, Any]], copied: bool = False) -> None:
        """Build indexes of a collection; those that exist are left as they are, those that the head refuses are noted.

        A server is stricter than older ones that have made an index. `copied` says that the source had the index before: then a
        unique one may have duplicates, because it was built on one member after the other. In an index that is made at this
        moment they say that the head is not what the source is. Raises OperationFailure for that, and for what passes.
        """
        try:
            self._build(self._names[ui], specs)
            for spec in specs:
                self.model.allow(ui, spec["name"])
        except OperationFailure as error:
            if not is_about_index(error) or (error.code == DUPLICATE_KEY and not copied):
                raise
            if len(specs) > 1:
                for spec in specs:
                    self.build(ui, [spec], copied)
                return
            reason = words(error)[:300]
            self.model.refuse(ui, specs[0], reason)
            log.warning("index refused", namespace=self._names[ui], index=specs[0]["name"], reason=reason)

    def refused(self) -> dict[str, str]:
        """Return why an index is not there, for each that the head refused to build: by namespace and name."""
        return {
            f"{name} {index}": without_values(reason)
            for ui, reasons in refused_indexes(self._client).items()
            if (name := self._names.get(ui)) is not None
            for index, reason in reasons.items()
        }

    def _build(self, namespace: str, specs: list[SON[str, Any]]) -> None:
        database, collection = split(namespace)
        wanted = ("indexes", [_as_asked_for(spec) for spec in specs])
        # No vote: the only member of the head's set would wait a tenth of a second for its own.
        how = (("ignoreUnknownIndexOptions", True), ("commitQuorum", 0))
        execute(self._client, database, ("createIndexes", collection), wanted, *how)
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
            if may_pass(error):
                raise
            raise ResyncRequired(
                "corruption", f"{describe('c', entry['ns'], unit.optime, name)}: the head refused it: {words(error)}"
            ) from error

    def _known(self, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> str | None:
        """Return the head's name of an entry's collection.

        None while the copy is being made consistent: the collection was dropped before it could be copied.
        """
        name = None if ui is None else self.name(ui)
        if name is None and self.strict:
            entry_name = describe("c", entry["ns"], optime, command_name(entry["o"]))
            raise ResyncRequired("unsafe_apply_ops", f"{entry_name}: expected its collection in the backup, found none")
        return name

    def _on_create(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        o = entry["o"]
        namespace = f"{database}.{o['create']}"
        if ui is None:
            raise Unsupported(f"{describe('c', namespace, optime, 'create')}: expected a collection UUID, found none")
        if o["create"] == SYSTEM_VIEWS:
            self._make_way(database)
            views.make_catalogue(self._client, database, ui)
            return
        if self.name(ui) == namespace:
            return
        fields = _decoded(o)
        options = {k: v for k, v in fields.items() if k not in ("create", "idIndex")}
        self.create(ui, namespace, options, fields.get("idIndex"))
        if not self.strict:
            self.model.add(ui, [])

    def _on_drop(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        if entry["o"]["drop"] == SYSTEM_VIEWS:
            views.drop_catalogue(self._client, database, ui, self.strict)
        elif ui is not None:
            self.drop(ui)

    def _on_drop_database(self, database: str, _ui: bytes | None, _entry: RawBSONDocument, _optime: OpTime) -> None:
        """Each of its collections has been dropped by an entry of its own; those that a copy has already came later."""
        views.close_database(self._client, database)

    def _on_rename(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        o = entry["o"]
        target = o["to"]
        dropped = o.get("dropTarget")
        if isinstance(dropped, bytes) and bytes(dropped) != ui:
            self.drop(bytes(dropped))
        name = self._known(ui, entry, optime)
        if name is None or name == target or ui is None:
            return
        renamed = SON([("renameCollection", name), ("to", target), ("stayTemp", False)])
        apply_command(self._client, split(name)[0], ui, renamed)
        self._names.put(ui, target)

    def _on_coll_mod(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        name = self._known(ui, entry, optime)
        o = _decoded(entry["o"])
        if name is None or ui is None:
            if split(entry["ns"])[1] == "$cmd" and "viewOn" in o:
                raise Unsupported(f"{describe('c', entry['ns'], optime, 'collMod')}: a view changed by a command entry")
            return
        if not self.strict:
            if "index" in o:
                self.model.modify(ui, o.pop("index"))
            self._modify_capped(ui, o)
        elif "index" in o and self.model.modify_refused(ui, o["index"]):
            del o["index"]
        if len(o) > 1:
            o["collMod"] = split(name)[1]
            apply_command(self._client, split(name)[0], ui, o)

    def _modify_capped(self, ui: bytes, o: SON[str, Any]) -> None:
        """Keep new limits of a collection that is to become capped."""
        changes = {
            "size" if name == "cappedSize" else "max": o.pop(name) for name in ("cappedSize", "cappedMax") if name in o
        }
        if changes:
            self.model.set_capped(ui, SON([*(self.model.capped().get(ui) or {}).items(), *changes.items()]))

    def _on_empty(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        name = self._known(ui, entry, optime)
        if name is not None:
            database, collection = split(name)
            execute(self._client, database, ("delete", collection), ("deletes", [{"q": {}, "limit": 0}]))

    def _on_create_indexes(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        name = self._known(ui, entry, optime)
        if name is None or ui is None:
            return
        specs = _index_specs(_decoded(entry["o"]))
        if self.strict:
            self.build(ui, specs)
            return
        self.model.add(ui, specs)

    def _on_drop_indexes(self, database: str, ui: bytes | None, entry: RawBSONDocument, optime: OpTime) -> None:
        name = self._known(ui, entry, optime)
        if name is None or ui is None:
            return
        index = entry["o"]["index"]
        if not self.strict:
            self.model.remove(ui, index)
            return
        self._in_order.clear()
        self.model.allow(ui, index)
        try:
            execute(self._client, split(name)[0], ("dropIndexes", split(name)[1]), ("index", index))
        except OperationFailure as error:
            if error.code != INDEX_NOT_FOUND:  # dropped already, before a crash
                raise

    # What a transaction cannot hold -------------------------------------------------------------------------------------

    def _outside(self, entry: RawBSONDocument, optime: OpTime) -> None:
        database, collection = split(entry["ns"])
        if collection == SYSTEM_VIEWS:
            self._make_way(database)
            views.apply_entry(self._client, entry, self.strict)
        elif entry["ns"] == "admin.system.version":
            follow(self._client, entry, optime)
        elif why_not_copied(entry["ns"]) is None:
            self._outside_transaction(entry, optime)

    def _outside_transaction(self, entry: RawBSONDocument, optime: OpTime) -> None:
        ui = bytes(entry["ui"]) if "ui" in entry else None
        name = self._known(ui, entry, optime)
        if name is None or ui is None:
            return
        op = Op(entry["op"], ui, entry["ns"], entry["o"], entry.get("o2"), optime, 0)
        # As before the consistency point, because it may have been done before a crash: an insert replaces.
        for _ in self._writer.run(name, Group(ui, op.kind, [op]), strict=False, writeConcern=WRITTEN):
            pass


def _decoded(document: RawBSONDocument) -> SON[str, Any]:
    return decode(document.raw, _AS_SON)


def _as_asked_for(spec: SON[str, Any]) -> SON[str, Any]:
    """Return what to ask for to get the index that the server describes: it refuses some of its own descriptions.

    One without a collation would take over that of its collection, if it did not say that it has none; those of version 1, which
    upgraded sets have kept, know no collations. A text index that expires counts as compound once its key is written out.
    """
    wanted = SON(spec)
    if "_fts" in spec["key"] and "expireAfterSeconds" in spec:
        wanted["key"] = SON([(name, "text") for name in spec["weights"]])
    if "collation" not in spec and spec.get("v") != FIRST_INDEX_VERSION:
        wanted["collation"] = SON([("locale", "simple")])
    return wanted


def _index_specs(o: SON[str, Any]) -> list[SON[str, Any]]:
    """Return the specifications in a `createIndexes` entry (one, inline) or a `commitIndexBuild` entry (several)."""
    if "commitIndexBuild" in o:
        return [SON([(k, v) for k, v in spec.items() if k != "ns"]) for spec in o["indexes"]]
    return [SON([(k, v) for k, v in o.items() if k not in ("createIndexes", "ns")])]
