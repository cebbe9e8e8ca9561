"""The manifest of a copy: what is in it at one optime, precise enough to tell whether a restored copy is the same.

It holds every collection with its options, indexes, number of documents and, when the copy is to be proven, its digest; and
every view with its definition. Users and roles are ordinary collections of `admin`.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from bson.binary import Binary
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from bson.son import SON

from backup_agent.compare import digest
from backup_agent.compare.digest import Side, Span
from backup_agent.compare.options import shown
from backup_agent.errors import OperationFailed
from backup_agent.namespaces import indexes, listed, refused_indexes, split, uuid_in
from backup_agent.times import OpTime
from backup_agent.values import Client, Json, Record, text_of
from backup_agent.words import without_values

FORMAT = 1
MOST_BYTES = 256 * 1024 * 1024
"""More than a manifest has: whoever can write to the repository can forge one."""
COLLECTION = "collection"

IRRELEVANT = ("ns", "background")
"""Fields of an index that say how it was once built or what its collection was called, not what it is."""

Progress = Callable[[str, int], None]
"""Called with a namespace and how many of its documents have been read so far."""


@dataclass(frozen=True)
class Entry:
    """One collection, view or time series as the catalogue has it. Texts are canonical extended JSON."""

    namespace: str
    kind: str
    options: str
    indexes: tuple[tuple[str, str], ...] = ()
    uuid: Binary | None = None
    refused: tuple[str, ...] = ()
    """The names of indexes that the head was to have and refused to build."""

    @property
    def capped(self) -> bool:
        """Whether it is a capped collection."""
        return bool(json.loads(self.options).get("capped", False))

    @property
    def natural(self) -> bool:
        """Whether it is read in natural order: a capped collection, or the buckets of a time series."""
        return self.capped or json.loads(self.options).get("clusteredIndex") is True


@dataclass(frozen=True, slots=True)
class Held(Record):
    """A collection, view or time series as a manifest has it; a digest is there when the copy is to be proven."""

    SPARSE: ClassVar = True

    namespace: str
    type: str
    options: Json
    indexes: tuple[Json, ...]
    uuid: str | None = None
    documents: int | None = None
    bytes: int | None = None
    digest: str | None = None
    marks: tuple[str, ...] | None = None

    @property
    def entry(self) -> Entry:
        """The catalogue's part of it."""
        specs = tuple((str(spec["name"]), _text(spec)) for spec in self.indexes)
        return Entry(self.namespace, self.type, _text(self.options), specs)


@dataclass(frozen=True, slots=True)
class Manifest(Record):
    """What is in a copy that stands at an optime; `digests` says whether it is to be proven."""

    PARTS: ClassVar = {"collections": Held}

    format: int
    job: str
    generation: int
    optime: Json
    server_version: str
    digests: bool
    collections: tuple[Held, ...]
    refused_indexes: tuple[str, ...] = ()
    """A sentence for each index of the source that is not in the copy, because the head refused to build it."""

    @property
    def count(self) -> int:
        """How many collections there are, without views."""
        return sum(held.type == COLLECTION for held in self.collections)

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return sum(held.documents or 0 for held in self.collections)


def canonical(document: Mapping[str, Any]) -> str:
    """Return a document as text: top-level keys sorted, the order below (keys of an index, stages) kept."""
    ordered = SON(sorted(document.items()))
    return dumps(ordered, json_options=CANONICAL_JSON_OPTIONS, separators=(",", ":"))


def _index(spec: Mapping[str, Any]) -> tuple[str, str]:
    return str(spec["name"]), canonical({key: value for key, value in spec.items() if key not in IRRELEVANT})


def describe(client: Client, head: bool = False) -> dict[str, Entry]:
    """Return everything that belongs to a backup, by namespace; of a head also what it refused. Raises PyMongo's errors."""
    found, refused = {}, refused_indexes(client) if head else {}
    for database, info in listed(client):
        namespace = f"{database}.{info['name']}"
        kind = str(info.get("type", COLLECTION))
        specs = indexes(client, database, info["name"]) if kind == COLLECTION else []
        uuid = info.get("info", {}).get("uuid")
        # A temporary collection is a lasting one on the head, which would drop it when it starts.
        options = canonical({name: value for name, value in info.get("options", {}).items() if name != "temp"})
        found[namespace] = Entry(
            namespace, kind, options, tuple(sorted(map(_index, specs))), uuid, _names(refused, uuid)
        )
    return found


def _names(refused: Mapping[bytes, Mapping[str, str]], uuid: Binary | None) -> tuple[str, ...]:
    return tuple(sorted(refused.get(bytes(uuid), {}))) if uuid else ()


def compare_entries(expected: Entry | None, found: Entry | None) -> list[str]:
    """Return a sentence for each thing about the catalogue that differs; what is known to be refused is no difference."""
    if expected is None:
        return [] if found is None else [f"{found.namespace}: expected none, found a {found.kind}"]
    name = expected.namespace
    if found is None:
        return [f"{name}: expected this {expected.kind}, found none"]
    if expected.kind != found.kind:
        return [f"{name}: expected a {expected.kind}, found a {found.kind}"]
    sentences = []
    if expected.options != found.options:
        sentences.append(f"{name}: expected options {shown(expected.options)}, found {shown(found.options)}")
    wanted = {index: text for index, text in expected.indexes if index not in found.refused}
    return sentences + _compare_indexes(name, wanted, dict(found.indexes))


def _compare_indexes(name: str, expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [
        f"{name}: {_index_sentence(index, expected.get(index), found.get(index))}"
        for index in sorted({*expected, *found})
        if expected.get(index) != found.get(index)
    ]


def _index_sentence(index: str, expected: str | None, found: str | None) -> str:
    if found is None:
        return f"expected index {index}, found none"
    if expected is None:
        return f"expected no index {index}, found one"
    return f"expected index {index} {shown(expected)}, found {shown(found)}"


def side(client: Client, namespace: str, natural: bool = False) -> Side:
    """Return a collection of a copy that stands still; see `Entry.natural`."""
    return Side(client, *split(namespace), natural=natural)


def contents(client: Client, namespace: str, progress: Progress, natural: bool) -> digest.Digest:
    """Return the digest of a whole collection. Raises PyMongo's errors."""
    digester = digest.Digester()
    for digester in digest.growing(side(client, namespace, natural)):
        progress(namespace, digester.documents)
    return digester.result()


def count(client: Client, namespace: str, natural: bool) -> int:
    """Return the exact number of documents, by walking an index where there is one."""
    database, collection = split(namespace)
    hint = [("$natural", 1)] if natural else [("_id", 1)]
    return client[database][collection].count_documents({}, hint=hint)


def build(client: Client, *, job: str, generation: int, optime: OpTime, digests: bool, progress: Progress) -> Manifest:
    """Return the manifest of a copy that stands still at an optime. Raises PyMongo's errors."""
    entries = describe(client, head=True)
    return Manifest(
        format=FORMAT,
        job=job,
        generation=generation,
        optime=optime.to_json(),
        server_version=client.server_info()["version"],
        digests=digests,
        collections=tuple(_held(client, entry, digests, progress) for entry in entries.values()),
        refused_indexes=missing_indexes(client),
    )


def missing_indexes(client: Client) -> tuple[str, ...]:
    """Return a sentence for each index that a head refused to build."""
    refused = refused_indexes(client)
    return tuple(
        f"{database}.{info['name']}: index {name} is missing, the server refused to build it: {without_values(reason)}"
        for database, info in (listed(client) if refused else ())
        for name, reason in sorted(refused.get(uuid_in(info) or b"", {}).items())
    )


def _held(client: Client, entry: Entry, digests: bool, progress: Progress) -> Held:
    uuid = entry.uuid.as_uuid().hex if entry.uuid else None
    specs = tuple(json.loads(text) for _, text in entry.indexes)
    held = Held(entry.namespace, entry.kind, json.loads(entry.options), specs, uuid)
    if entry.kind != COLLECTION:
        return held
    if digests:
        found = contents(client, entry.namespace, progress, entry.natural)
        return replace(held, documents=found.documents, bytes=found.bytes, digest=found.digest, marks=found.marks)
    documents = count(client, entry.namespace, entry.natural)
    progress(entry.namespace, documents)
    return replace(held, documents=documents)


def _text(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def save(manifest: Manifest, path: Path) -> None:
    """Write a manifest so that a crash leaves the old file or the new one."""
    temporary = path.with_suffix(".new")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(manifest.to_json(), file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def parse(read: Callable[[], str], name: str) -> Manifest:
    """Read a manifest. Raises OperationFailed when it is missing, damaged, or of a format that this agent does not know."""
    try:
        value = json.loads(read())
        if value["format"] == FORMAT:
            return Manifest.from_json(value)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise OperationFailed(
            f"expected a manifest in {name}, found: {error}; the snapshot cannot be checked; choose another one"
        ) from error
    raise OperationFailed(
        f"expected a manifest of format {FORMAT} in {name}, found {value['format']}; use the agent that wrote it or a newer one"
    )


def load(path: Path) -> Manifest:
    """Read a manifest from its file; raises what `parse` does."""
    return parse(partial(text_of, path, MOST_BYTES), path.name)


@dataclass(frozen=True)
class Mismatch:
    """One difference: a sentence, and the range of a copy's documents where it begins when it is about documents."""

    text: str
    namespace: str = ""
    span: Span | None = None


def mismatches(manifest: Manifest, client: Client, progress: Progress) -> list[Mismatch]:
    """Compare a copy with a manifest. Comparing nothing is a difference too. Raises PyMongo's errors."""
    expected = {held.namespace: held for held in manifest.collections}
    found = describe(client)
    if not manifest.count:
        return [Mismatch("expected at least one collection in the manifest, found none: nothing was compared")]
    result = []
    for namespace in sorted({*expected, *found}):
        wanted = expected[namespace].entry if namespace in expected else None
        result += [Mismatch(text, namespace) for text in compare_entries(wanted, found.get(namespace))]
        if wanted is not None and namespace in found and {wanted.kind, found[namespace].kind} == {COLLECTION}:
            result += _documents(expected[namespace], client, progress)
    return result


def _documents(expected: Held, client: Client, progress: Progress) -> list[Mismatch]:
    namespace, wanted, natural = expected.namespace, expected.documents, expected.entry.natural
    if expected.digest is None:
        number = count(client, namespace, natural)
        progress(namespace, number)
        text = f"{namespace}: expected {wanted} documents, found {number}"
        return [] if number == wanted else [Mismatch(text, namespace)]
    found = contents(client, namespace, progress, natural)
    if (found.documents, found.digest) == (wanted, expected.digest):
        return []
    what = f"digest {expected.digest[:16]}, found {found.digest[:16]}"
    if found.documents != wanted:
        what = f"{wanted} documents, found {found.documents}"
    if expected.entry.capped:
        return [Mismatch(f"{namespace}: expected {what} (a capped collection, in its order)", namespace)]
    same = _first_difference(expected.marks or (), found.marks)
    span = span_of_mark(side(client, namespace, natural), same)
    where = f"behind the first {same * digest.CHUNK_DOCUMENTS} in the order of _id" if same else "at the beginning"
    text = f"{namespace}: expected {what}; the first difference is within {digest.CHUNK_DOCUMENTS} documents {where}"
    return [Mismatch(text, namespace, span)]


def _first_difference(expected: Iterable[str], found: Iterable[str]) -> int:
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(expected, found, strict=False))
    return sum(1 for _ in same)


def span_of_mark(where: Side, position: int) -> Span:
    """Return the range of `_id` that a mark covers in a copy."""
    step = digest.CHUNK_DOCUMENTS
    lower = digest.bound_after(where, None, position * step) if position else None
    if position and lower is None:  # the copy ends before it: everything from its last document on
        last = digest.bound_after(where, None, position * step - 1)
        return Span(last, None)
    return Span(lower, digest.bound_after(where, lower, step))
