"""Programs of writes and catalogue changes, drawn by hypothesis: what is done to a source, and when to its agent.

A program is plain data. A seed gives the same program each time, on every machine with the same version of hypothesis. Most steps
meet a state in which a server can do them; the others it refuses, which is part of the test too: nothing of them may be replayed.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from bson import Binary, Code, Decimal128, Int64
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from odd import AGAIN, NO_UTF_8, POINTER, SYMBOL, UNDEFINED

Json = dict[str, Any]
Namespace = tuple[str, str]

DATABASES = ("p0", "p1")
NAMES = ("a", "b", "c", "d")
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
PAD = "x" * 300
"""Makes a document so large that a change of it is written as a diff."""


@dataclass(frozen=True)
class Step:
    """One thing to do: the name of an action and what it is given."""

    do: str
    given: Json = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.do}({', '.join(f'{name}={_shown(self.given[name])}' for name in sorted(self.given))})"


@dataclass(frozen=True)
class Program:
    """Steps before the copy, while it stands still, and after it; the last ones also act on the agent."""

    before: tuple[Step, ...]
    during: tuple[Step, ...]
    after: tuple[Step, ...]
    patient: bool
    """Whether the last steps begin when the sync has ended, and not while it goes on."""

    def __str__(self) -> str:
        parts = {
            "before the copy": self.before,
            "during the copy": self.during,
            f"after it ({'at its end' if self.patient else 'at once'})": self.after,
        }
        return "\n".join(f"  {when}:\n" + "\n".join(f"    {step}" for step in steps) for when, steps in parts.items())


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Step):
        return f"[{'; '.join(map(str, value))}]"
    return repr(value).replace(PAD, "x…")


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Draw from strategies by weight (`one_of` would take those of nested ones apart, and so lose the weights)."""
    return st.sampled_from([strategy for weight, strategy in choices for _ in range(weight)]).flatmap(lambda s: s)


def step(do: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """Draw a step with these arguments."""
    return st.fixed_dictionaries(arguments).map(lambda found: Step(do, found))


# Documents --------------------------------------------------------------------------------------------------------------

namespaces = st.tuples(st.sampled_from(DATABASES), st.sampled_from(NAMES))
identities = st.sampled_from([*range(8), "x", "y", 1.0, Int64(2), Decimal128("3"), {"k": 1}, START, NO_UTF_8, SYMBOL])
"""Few, so that steps meet each other's documents; some are equal to others of another type."""
numbers = st.integers(0, 5)
moments = st.integers(0, 400).map(lambda minutes: START + datetime.timedelta(minutes=minutes * 7))
plain_values = st.one_of(
    numbers,
    st.sampled_from(["", "text", PAD, None, True, 1.5, Int64(2**40), Decimal128("1.10"), Binary(b"\0", 5), START]),
    st.sampled_from([f"no {NO_UTF_8}", UNDEFINED, SYMBOL, POINTER, Binary(b"old", 2), Code("f()", {"a": 1})]),
)
values = st.one_of(
    plain_values,
    st.lists(plain_values, max_size=4),
    st.dictionaries(st.sampled_from("xyz"), plain_values, max_size=2),
)
fields = st.fixed_dictionaries(
    {"k": numbers},
    optional={"a": values, "b": values, "l": st.lists(values, max_size=4), "n": numbers, "t": moments, "pad": st.just(PAD)},
)  # fmt: skip
documents = st.builds(lambda identity, found: {"_id": identity, **found}, identities, fields)
queries = st.one_of(
    st.builds(lambda identity: {"_id": identity}, identities),
    st.builds(lambda number: {"k": number}, numbers),
    st.builds(lambda number: {"n": {"$gte": number}}, numbers),
)
paths = st.sampled_from(["a", "b", "k", "a.x", "a.x.y", "b.z", "l.0", "l.3", "fresh", f"n{NO_UTF_8}"])


def change(operator: str, path: st.SearchStrategy[str], value: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Draw an update by one operator."""
    return st.builds(lambda where, what: {operator: {where: what}}, path, value)


changes = st.one_of(
    change("$set", paths, values),
    change("$set", paths, values),
    change("$unset", paths, st.just("")),
    change("$inc", st.sampled_from(["n", "k", "a.x"]), numbers),
    change("$push", st.just("l"), values),
    change("$pop", st.just("l"), st.sampled_from([1, -1])),
    change("$pull", st.just("l"), plain_values),
    change("$addToSet", st.just("l"), values),
    change("$rename", st.sampled_from(["a", "b"]), st.sampled_from(["c", "fresh"])),
    change("$currentDate", st.just("t"), st.just(True)),
)
pipelines = st.sampled_from(
    [
        [{"$set": {"c": "$a", "n": {"$size": {"$ifNull": ["$l", []]}}}}],
        [{"$unset": ["a", "b"]}],
        [{"$set": {"l": {"$slice": [{"$ifNull": ["$l", [1, 2, 3]]}, 2]}}}],
        [{"$set": {"l": {"$concatArrays": [{"$ifNull": ["$l", []]}, ["$k", {"deep": "$b"}]]}}}],
        [{"$replaceWith": {"$mergeObjects": [{"first": "$n"}, "$$ROOT", {"pad": PAD}]}}],
        [{"$replaceWith": {"_id": "$_id", "k": "$k"}}],
    ]
)
writes = st.one_of(
    step("insert", ns=namespaces, documents=st.lists(documents, min_size=1, max_size=4), ordered=st.booleans()),
    step("update", ns=namespaces, query=queries, change=changes, multi=st.booleans(), upsert=st.booleans()),
    step("update", ns=namespaces, query=queries, change=pipelines, multi=st.booleans(), upsert=st.just(False)),
    step("replace", ns=namespaces, identity=identities, document=fields, upsert=st.booleans()),
    step("delete", ns=namespaces, query=queries, multi=st.booleans()),
    step("find_and_modify", ns=namespaces, query=queries, change=st.one_of(changes, pipelines, st.none())),
)
DOUBLED = st.just(("p0", "twice"))
twice = st.builds(lambda one, n, m: {**one, "twice": n, f"twice{AGAIN}": m}, documents, numbers, values)
twice_changes = st.one_of(
    changes, change("$set", st.just("twice"), values), change("$unset", st.just("twice"), st.just(""))
)
doubled = st.one_of(
    step("insert", ns=DOUBLED, documents=st.lists(twice, min_size=1, max_size=2), ordered=st.just(False)),
    step("update", ns=DOUBLED, query=queries, change=twice_changes, multi=st.booleans(), upsert=st.just(False)),
)
"""Documents that hold a field twice. They have a collection of their own, because a pipeline that changes both fields ends the
mongod of the source (an invariant of its `document_diff_serialization.cpp`). A change of such a field ends that of the head,
which takes seconds to come back; so they are drawn seldom."""
measurements = st.builds(
    lambda when, meta, value: {"t": when, "m": meta, "v": value}, moments, numbers, st.one_of(plain_values)
)

# Collections ------------------------------------------------------------------------------------------------------------

FAR_SECONDS = 10**9
capped = st.fixed_dictionaries(
    {"capped": st.just(True), "size": st.sampled_from([4096, 20_000])}, optional={"max": st.integers(3, 9)}
)
options = st.one_of(
    st.just({}),
    capped,
    capped,
    st.sampled_from(
        [
            {"collation": {"locale": "en", "strength": 2}},
            {"validator": {"k": {"$lt": 4}}, "validationAction": "warn"},
            {"validator": {"k": {"$lt": 4}}, "validationLevel": "moderate"},
            {"timeseries": {"timeField": "t", "metaField": "m"}},
            {"timeseries": {"timeField": "t", "metaField": "m", "granularity": "hours"}, "expireAfterSeconds": FAR_SECONDS},
            {"timeseries": {"timeField": "t"}},
            {"clusteredIndex": {"key": {"_id": 1}, "unique": True}},
            {"clusteredIndex": {"key": {"_id": 1}, "unique": True, "name": "own"}, "expireAfterSeconds": FAR_SECONDS},
            {"changeStreamPreAndPostImages": {"enabled": True}},
            {"viewOn": "a", "pipeline": [{"$match": {"k": {"$gt": 1}}}]},
            {"viewOn": "b", "pipeline": [], "collation": {"locale": "de"}},
        ]
    ),
)  # fmt: skip
index_keys = st.sampled_from(
    [
        [("k", 1)], [("k", 1)], [("n", -1), ("a", 1)], [("a.x", 1)], [("l", 1)], [("k", "hashed")], [("$**", 1)], [("a", "text")],
        [("m", 1), ("t", 1)], [("t", 1)],
    ]
)  # fmt: skip
index_options = st.one_of(
    st.just({}),
    st.sampled_from(
        [
            {"unique": True},
            {"unique": True, "partialFilterExpression": {"k": {"$gt": 2}}},
            {"sparse": True},
            {"hidden": True},
            {"collation": {"locale": "fr"}},
            {"expireAfterSeconds": FAR_SECONDS},
            {"name": "own"},
        ]
    ),
)
modifications = st.sampled_from(
    [
        {"index": {"name": "k_1", "hidden": True}},
        {"index": {"keyPattern": {"k": 1}, "hidden": False}},
        {"index": {"keyPattern": {"t": 1}, "expireAfterSeconds": FAR_SECONDS // 2}},
        {"index": {"keyPattern": {"k": 1}, "prepareUnique": True}},
        {"index": {"keyPattern": {"k": 1}, "unique": True}},
        {"validator": {"n": {"$exists": True}}, "validationLevel": "moderate"},
        {"validator": {}, "validationLevel": "off"},
        {"timeseries": {"granularity": "hours"}},
        {"timeseries": {"granularity": "minutes"}},
        {"expireAfterSeconds": FAR_SECONDS // 2},
        {"expireAfterSeconds": "off"},
        {"cappedSize": 8192},
        {"cappedMax": 4},
        {"changeStreamPreAndPostImages": {"enabled": False}},
        {"viewOn": "c", "pipeline": [{"$project": {"k": 1}}]},
    ]
)
creations = step("create", ns=namespaces, options=options, anew=st.sampled_from([True, True, False]))
"""Mostly in the place of what has that name: writes make plain collections everywhere, and few others could be made."""
user_acts = st.sampled_from(["create", "update", "drop"])
catalogue = st.one_of(
    creations,
    creations,
    step("drop", ns=namespaces),
    step("rename", ns=namespaces, to=namespaces, drop_target=st.booleans()),
    step("create_index", ns=namespaces, keys=index_keys, options=index_options),
    step("create_index", ns=namespaces, keys=index_keys, options=index_options),
    step("drop_index", ns=namespaces, index=st.sampled_from(["k_1", "own", "*"])),
    step("modify", ns=namespaces, changes=modifications),
    step("modify", ns=namespaces, changes=modifications),
    step("convert_to_capped", ns=namespaces, size=st.sampled_from([4096, 20_000])),
    step("clone_as_capped", ns=namespaces, to=st.sampled_from(NAMES), size=st.sampled_from([4096, 20_000])),
    step("empty_capped", ns=namespaces),
    step("out", ns=namespaces, to=namespaces),
    step("merge", ns=namespaces, to=namespaces),
    step("user", database=st.sampled_from(DATABASES), name=st.sampled_from("uv"), act=user_acts),
)  # fmt: skip
transactions = step(
    "transaction",
    writes=st.lists(writes, min_size=1, max_size=5),
    end=st.sampled_from(["commit", "commit", "abort", "commit prepared", "abort prepared"]),
)
bulks = step("bulk", ns=namespaces, writes=st.lists(writes, min_size=2, max_size=6), ordered=st.booleans())
measured = step("measure", ns=namespaces, measurements=st.lists(measurements, min_size=1, max_size=6))
swaps = step("swap", ns=namespaces, one=identities, other=identities)
"""Two documents exchange their `k`, on which there may be a unique index."""

fills = step("fill", ns=namespaces, documents=st.integers(5, 60), size=st.sampled_from([50, 700, 3000]))
steps = weighted(
    (30, writes),
    (24, catalogue),
    (8, transactions),
    (6, bulks),
    (6, measured),
    (6, fills),
    (4, swaps),
    (1, step("large", ns=namespaces, identity=identities)),
    (2, doubled),
    (1, step("drop_database", database=st.sampled_from(DATABASES))),
)
restarts = st.sampled_from([Step("terminate"), Step("kill")])
resyncs = step("resync", during=st.lists(steps, min_size=3, max_size=12).map(tuple))
steps_in_copy = weighted((18, steps), (1, restarts))
steps_after = weighted((30, steps), (2, restarts), (1, resyncs), (1, st.just(Step("compare"))))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Draw a program."""
    return Program(
        before=tuple(
            draw(st.lists(creations, min_size=3, max_size=6)) + draw(st.lists(steps, min_size=12, max_size=40))
        ),
        during=tuple(draw(st.lists(steps_in_copy, min_size=10, max_size=30))),
        after=tuple(draw(st.lists(steps_after, min_size=20, max_size=60))),
        patient=draw(st.booleans()),
    )


DRAWING = settings(
    database=None, deadline=None, max_examples=8, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def program_of(number: int) -> Program:
    """Return the program of a seed. Hypothesis tries the simplest one first, so the last of several is taken.

    Hypothesis also tries constants that it finds in the project's own modules. Here they are kept away from it: a seed would mean
    another program whenever a file is changed, or another module is loaded.
    """
    found: list[Program] = []

    @seeded(number)
    @DRAWING
    @given(programs())
    def collect(drawn: Program) -> None:
        found.append(drawn)

    providers.CONSTANTS_CACHE.cache.clear()
    with mock.patch.object(providers, "_get_local_constants", providers.Constants):
        collect()
    return found[-1]
