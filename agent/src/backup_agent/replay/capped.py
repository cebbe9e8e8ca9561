"""Capped collections on the head: how they become capped, and how they are written to.

While a copy is made consistent a capped collection is an ordinary one: the source's evictions are in the oplog, and a replayed
insert is put at the end, so that at the consistency point it holds the source's documents in the source's order. Then it is
made capped. From there it evicts by itself, as the source's did: the deletes in the oplog find nothing.

The server takes no writes to capped collections in transactions, so these writes are not committed together with the position.
They are made before it, and after a restart the newest document says how far they came: order of insertion is what a capped
collection keeps, and one batch inserts no `_id` twice (`Touched`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from itertools import groupby
from typing import Any

from bson.son import SON

from backup_agent.errors import ResyncRequired
from backup_agent.namespaces import OWN_DATABASE, Whereabouts, described, split
from backup_agent.raw import pages
from backup_agent.replay.groups import Group, Op, id_key
from backup_agent.replay.index_model import IndexModel
from backup_agent.replay.statements import Writer, insert
from backup_agent.replay.views import apply_command, drop_collection, execute
from backup_agent.source.member import raw_collection
from backup_agent.values import Client, Document
from backup_agent.words import told

ILLEGAL_OPERATION = 20
LIMITS_CHANGE_SINCE = 6
"""The first major version that can change the limits of a capped collection, and the size of its documents."""


def plain_options(options: SON[str, Any]) -> tuple[SON[str, Any], SON[str, Any] | None]:
    """Split the options of a collection into those that it has until the consistency point, and those that make it capped."""
    if not options.get("capped"):
        return options, None
    later = SON([(name, value) for name, value in options.items() if name in ("capped", "size", "max")])
    return SON([(name, value) for name, value in options.items() if name not in later]), later


# Becoming capped ----------------------------------------------------------------------------------------------------------


def make_capped(client: Client, model: IndexModel) -> None:
    """Make every collection capped that is to be. After a crash it is called again and goes on.

    Its documents wait in the agent's own database, in order, while it is created again under the same UUID. What is there tells
    how far it came: an ordinary collection, none or an incomplete one beside those documents, or a capped one without them.
    """
    whereabouts = Whereabouts(client)
    for ui, wanted in model.capped().items():
        waiting = f"capped-{ui.hex()}"
        namespace = whereabouts.of(ui)
        info = described(client, namespace) if namespace is not None else None
        if namespace is not None and info is not None and not info["options"].get("capped"):
            _set_aside(client, *split(namespace), waiting)
            wanted |= {"namespace": namespace, "options": info["options"], "idIndex": info.get("idIndex")}
            model.set_capped(ui, wanted)
        if client[OWN_DATABASE].list_collection_names(filter={"name": waiting}):
            if namespace is not None:
                drop_collection(client, split(namespace)[0], ui, split(namespace)[1])
            _create(client, ui, wanted, waiting)
            execute(client, OWN_DATABASE, ("drop", waiting))
        model.set_capped(ui, None)


def _set_aside(client: Client, database: str, collection: str, waiting: str) -> None:
    """Copy the documents in their order. `$out` renames at its end, so what is there is whole."""
    out = {"$out": {"db": OWN_DATABASE, "coll": waiting}}
    execute(client, database, ("aggregate", collection), ("pipeline", [out]), ("cursor", {}))
    if not client[OWN_DATABASE].list_collection_names(filter={"name": waiting}):
        client[OWN_DATABASE].create_collection(waiting)


def _create(client: Client, ui: bytes, wanted: SON[str, Any], waiting: str) -> None:
    """Create the capped collection with the documents that wait.

    It may hold more than its limits: they were lowered, or documents grew. Nothing of that is evicted before the next insert, but
    filled at these limits it would evict now, so they are lowered afterwards. A server that cannot lower them lets no document
    grow either: over them is then nothing but one document larger than all of it, which its own insert does not evict.
    """
    stats = client[OWN_DATABASE].command("collStats", waiting)
    limits = {"size": int(wanted["size"] or 0)} | ({"max": int(wanted["max"])} if wanted.get("max") else {})
    held = {"size": int(stats["size"]), "max": int(stats["count"])}
    lowered = int(client.server_info()["versionArray"][0]) >= LIMITS_CHANGE_SINCE
    over = {name: limit for name, limit in limits.items() if lowered and held[name] > limit}
    database, collection = split(wanted["namespace"])
    _make(client, ui, wanted, limits | {name: held[name] for name in over})
    _fill(client, database, collection, waiting)
    if over:
        changes = [({"size": "cappedSize", "max": "cappedMax"}[name], limit) for name, limit in over.items()]
        apply_command(client, database, ui, SON([("collMod", collection), *changes]))


def _make(client: Client, ui: bytes, wanted: SON[str, Any], limits: Mapping[str, int]) -> None:
    database, collection = split(wanted["namespace"])
    o: SON[str, Any] = SON([("create", collection), *wanted["options"].items(), ("capped", True), *limits.items()])
    if wanted.get("idIndex"):
        o["idIndex"] = wanted["idIndex"]
    apply_command(client, database, ui, o)


def _fill(client: Client, database: str, collection: str, waiting: str) -> None:
    with pages.opened(client, OWN_DATABASE, {"find": waiting, "hint": {"$natural": 1}}) as cursor:
        while cursor.alive:
            insert(client[database], collection, cursor.next_page(), ordered=True)


# Being written to ---------------------------------------------------------------------------------------------------------


class Touched:
    """The documents of capped collections that a batch has named: it ends before one is inserted that it named already."""

    def __init__(self) -> None:
        """Nothing has been named yet."""
        self._named: set[tuple[bytes, Hashable]] = set()

    def repeats(self, op: Op) -> bool:
        """Say whether this insert names a document again; what it names is remembered."""
        key = (op.ui, op.key)
        if op.kind == "i" and key in self._named:
            return True
        self._named.add(key)
        return False


class CappedWriter:
    """Writes a batch's operations on capped collections, each collection in order."""

    def __init__(self, client: Client, name: Callable[[bytes], str | None], writer: Writer, again: bool) -> None:
        """`name` gives the head's name of a collection.

        `again` says whether the first batch may have been written before a crash, or a part of it.
        """
        self._client, self._name, self._writer = client, name, writer
        self._again = again
        """While it is set, documents that a batch names may have been evicted since."""

    def write(self, ops: list[Op]) -> None:
        """Write a batch. Raises ResyncRequired, naming the entry, when the head does not hold what the source held."""
        for ui in dict.fromkeys(op.ui for op in ops):
            self._collection([op for op in ops if op.ui == ui])
        self._again = False

    def _collection(self, ops: list[Op]) -> None:
        name = self._name(ops[0].ui)
        assert name is not None
        if self._again:
            ops = self._after_the_newest(name, ops)
        for kind, run in groupby(ops, key=lambda op: op.kind):
            for group, reply in self._writer.run(name, Group(ops[0].ui, kind, list(run)), strict=True):
                self._check(group, reply)

    def _after_the_newest(self, name: str, ops: list[Op]) -> list[Op]:
        """Leave out what was written before a crash: everything up to the insert of the newest document."""
        newest = raw_collection(self._client, name).find_one({}, sort=[("$natural", -1)])
        if newest is None:
            return ops
        key = id_key(newest["_id"])
        done = [n for n, op in enumerate(ops) if op.kind == "i" and op.key == key]
        return ops[done[0] + 1 :] if done else ops

    def _check(self, group: Group, reply: Document) -> None:
        errors = reply.get("writeErrors", [])
        if group.kind == "d" and errors and errors[0]["code"] == ILLEGAL_OPERATION:
            return  # 5.0 deletes from no capped collection: what the source evicted, the head has evicted
        if errors:
            op = group.ops[errors[0]["index"]]
            text = f"{op.entry}: a capped collection of the head refused it: {told(errors[0])}"
            raise ResyncRequired("unsafe_apply_ops", text[:500])
        if group.kind == "u" and not self._again and int(reply["n"]) != len(group.ops):
            raise ResyncRequired(
                "unsafe_apply_ops",
                f"{group.ops[0].entry}: expected {len(group.ops)} documents of a capped collection "
                f"for as many updates from there on, found {reply['n']} in the backup",
            )
