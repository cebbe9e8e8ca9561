"""How the steps of a program are done on a source. What the server refuses is counted and changes nothing."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from acts.transactions import commit_prepared, prepare
from bson.codec_options import CodecOptions
from bson.son import SON
from odd import raw
from programs import Json, Namespace, Step
from pymongo import DeleteMany, DeleteOne, InsertOne, MongoClient, ReplaceOne, UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, OperationFailure

TZ: CodecOptions[Json] = CodecOptions(tz_aware=True, unicode_decode_error_handler="replace")
LARGE_BYTES = 6 * 1024 * 1024
MAX_TIME = 50
"""MaxTimeMSExpired; here a step that waits for another would be a mistake of the program."""


class Performer:
    """Does steps, one after the other; the same steps have the same result on an empty source."""

    def __init__(self, client: MongoClient[Json]) -> None:
        """`client` should write with `w: 1`, or every step waits for the secondaries."""
        self._client = client
        self._filled = 0
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._has_emptycapped = client.server_info()["versionArray"][0] >= 6  # heads of 5.0 stop there and say so

    def perform(self, step: Step) -> None:
        """Do one step. Raises ConnectionFailure when the source went away."""
        method: Callable[..., None] = getattr(self, f"_{step.do}")
        try:
            method(**step.given)
        except ConnectionFailure:
            raise
        except OperationFailure:
            self.refused[step.do] += 1
        else:
            self.done[step.do] += 1

    def clear(self) -> None:
        """Drop everything that programs make, and leave one collection, so that there is something to copy."""
        for database in self._client.list_database_names():
            if database not in ("admin", "config", "local"):
                self._client[database].command("dropAllUsersFromDatabase", 1)
                self._client.drop_database(database)
        self._client.p0.seed.insert_one({"_id": "seed"})

    def _at(self, ns: Namespace) -> Collection[Json]:
        return self._client[ns[0]].get_collection(ns[1], codec_options=TZ)

    # Documents ----------------------------------------------------------------------------------------------------------

    def _insert(
        self, ns: Namespace, documents: list[Json], ordered: bool, session: ClientSession | None = None
    ) -> None:
        self._at(ns).insert_many(list(map(raw, documents)), ordered=ordered, session=session)

    def _update(
        self, ns: Namespace, query: Json, change: Any, multi: bool, upsert: bool, session: ClientSession | None = None
    ) -> None:
        method = self._at(ns).update_many if multi else self._at(ns).update_one
        method(raw(query), _change(change), upsert=upsert, session=session)

    def _replace(
        self, ns: Namespace, identity: Any, document: Json, upsert: bool, session: ClientSession | None = None
    ) -> None:
        self._at(ns).replace_one(raw({"_id": identity}), raw(document), upsert=upsert, session=session)

    def _delete(self, ns: Namespace, query: Json, multi: bool, session: ClientSession | None = None) -> None:
        method = self._at(ns).delete_many if multi else self._at(ns).delete_one
        method(raw(query), session=session)

    def _find_and_modify(self, ns: Namespace, query: Json, change: Any, session: ClientSession | None = None) -> None:
        if change is None:
            self._at(ns).find_one_and_delete(raw(query), session=session)
        else:
            self._at(ns).find_one_and_update(raw(query), _change(change), session=session)

    def _bulk(self, ns: Namespace, writes: list[Step], ordered: bool) -> None:
        requests = [request for write in writes for request in _requests(write)]
        if requests:
            self._at(ns).bulk_write(requests, ordered=ordered)

    def _measure(self, ns: Namespace, measurements: list[Json]) -> None:
        self._at(ns).insert_many([raw({"_id": number, **found}) for number, found in enumerate(measurements)])

    def _fill(self, ns: Namespace, documents: int, size: int) -> None:
        first = self._filled
        self._filled += documents
        self._at(ns).insert_many([{"_id": f"f{n}", "k": n, "pad": "f" * size} for n in range(first, first + documents)])

    def _large(self, ns: Namespace, identity: Any) -> None:
        large = {"_id": identity, "pad": "l" * LARGE_BYTES}
        self._replace(ns, identity, large, upsert=True)
        self._update(ns, {"_id": identity}, {"$set": {"k": 3}}, multi=False, upsert=False)

    def _swap(self, ns: Namespace, one: Any, other: Any) -> None:
        found = [self._at(ns).find_one(raw({"_id": identity})) or {} for identity in (one, other)]
        for identity, key in ((one, "free"), (other, found[0].get("k")), (one, found[1].get("k"))):
            self._update(ns, {"_id": identity}, {"$set": {"k": key}}, multi=False, upsert=False)

    def _transaction(self, writes: list[Step], end: str) -> None:
        with self._client.start_session() as session:
            session.start_transaction(max_commit_time_ms=20_000)
            try:
                for write in writes:
                    getattr(self, f"_{write.do}")(**write.given, session=session)
                self._end(session, end)
            except OperationFailure:
                with contextlib.suppress(OperationFailure):
                    session.abort_transaction()
                raise

    def _end(self, session: ClientSession, end: str) -> None:
        stamp = prepare(self._client.p0, session) if end.endswith("prepared") else None
        if end.startswith("abort"):
            session.abort_transaction()
        elif stamp is not None:
            commit_prepared(self._client.p0, session, stamp)
        else:
            session.commit_transaction()

    # The catalogue -----------------------------------------------------------------------------------------------------

    def _run(self, ns: Namespace, command: str, **given: Any) -> None:
        self._client[ns[0]].command(SON([(command, ns[1]), *given.items()]))

    def _create(self, ns: Namespace, options: Json, anew: bool) -> None:
        if anew:
            self._drop(ns)
        self._run(ns, "create", **options)

    def _drop(self, ns: Namespace) -> None:
        self._at(ns).drop()  # which is content when there is nothing

    def _rename(self, ns: Namespace, to: Namespace, drop_target: bool) -> None:
        names = [("renameCollection", ".".join(ns)), ("to", ".".join(to)), ("dropTarget", drop_target)]
        self._client.admin.command(SON(names))

    def _create_index(self, ns: Namespace, keys: list[tuple[str, Any]], options: Json) -> None:
        self._at(ns).create_index(keys, **options)

    def _drop_index(self, ns: Namespace, index: str) -> None:
        self._run(ns, "dropIndexes", index=index)

    def _modify(self, ns: Namespace, changes: Json) -> None:
        if {"cappedSize", "cappedMax"} & changes.keys() and ns[1] in self._views(ns[0]):
            raise OperationFailure("not done: on a view it ends the mongod of 6.0.5 (in `parseCollModRequest`)")
        self._run(ns, "collMod", **changes)

    def _views(self, database: str) -> list[str]:
        return self._client[database].list_collection_names(filter={"type": "view"})

    def _convert_to_capped(self, ns: Namespace, size: int) -> None:
        self._run(ns, "convertToCapped", size=size)

    def _clone_as_capped(self, ns: Namespace, to: str, size: int) -> None:
        self._run(ns, "cloneCollectionAsCapped", toCollection=to, size=size)

    def _empty_capped(self, ns: Namespace) -> None:
        if self._has_emptycapped:
            self._run(ns, "emptycapped")

    def _out(self, ns: Namespace, to: Namespace) -> None:
        self._at(ns).aggregate([{"$out": {"db": to[0], "coll": to[1]}}])

    def _merge(self, ns: Namespace, to: Namespace) -> None:
        self._at(ns).aggregate([{"$merge": {"into": {"db": to[0], "coll": to[1]}}}])

    def _drop_database(self, database: str) -> None:
        self._client.drop_database(database)

    def _user(self, database: str, name: str, act: str) -> None:
        given: Json = {"create": {"pwd": "secret", "roles": ["read"]}, "update": {"roles": ["readWrite"]}, "drop": {}}[
            act
        ]
        self._client[database].command(f"{act}User", name, **given)


def _change(change: Any) -> Any:
    """Return an update as it is sent: operators, or a pipeline."""
    return list(map(raw, change)) if isinstance(change, list) else raw(change)


def _requests(write: Step) -> Iterator[Any]:
    """Yield what a write is in a bulk."""
    given = write.given
    if write.do == "insert":
        yield from (InsertOne(raw(document)) for document in given["documents"])
    elif write.do == "update":
        kind = UpdateMany if given["multi"] else UpdateOne
        yield kind(raw(given["query"]), _change(given["change"]), upsert=given["upsert"])
    elif write.do == "replace":
        yield ReplaceOne(raw({"_id": given["identity"]}), raw(given["document"]), upsert=given["upsert"])
    elif write.do == "delete":
        yield (DeleteMany if given["multi"] else DeleteOne)(raw(given["query"]))
