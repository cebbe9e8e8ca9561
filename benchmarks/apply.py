"""Applying a captured oplog against a real secondary that catches up, and against one `applyOps` for each entry.

The secondary had been stopped before the oplog was written; it is measured from the first entry that it applies to the last, so
that its start does not count. It fetches the entries meanwhile, and the agent reads them from its slices.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from bson.raw_bson import RawBSONDocument
from bson.son import SON
from bson.timestamp import Timestamp
from pymongo import MongoClient

from backup_agent.capture.slices import SliceReader, SliceWriter
from backup_agent.config import Config
from backup_agent.daemon.runtime import Runtime
from backup_agent.head import Mongod
from backup_agent.source.connections import SourceSet
from backup_agent.state.room import Room
from backup_agent.state.store import Store
from benchmarks import data, printing
from benchmarks.agent import an_agent
from benchmarks.errors import Unequal
from benchmarks.members import NewMember, source
from benchmarks.options import Options, scratch, wait_for
from benchmarks.printing import Ratio
from lab import ReplicaSet

GOAL = 1.0
GOAL_PER_ENTRY = 10.0
TITLE = "applying a captured oplog, against a secondary that catches up, and one applyOps per entry"
ONE_BY_ONE_SHARE = 15
"""Of so many operations one is applied by a command of its own: all of them would take minutes."""

Client = MongoClient[dict[str, Any]]


def run(options: Options) -> list[Ratio]:
    """Measure it."""
    with scratch() as directory, source(directory) as replica_set, replica_set.client() as client:
        data.load_base(client)
        config, tc = _synced(directory / "agent", replica_set)
        rival = NewMember(replica_set, directory / "rival")
        rival.join()
        rival.mongod.stop()
        operations = data.write_operations(client, options.operations)
        last = data.settle(client)
        copy = directory / "head"
        shutil.copytree(config.generation_directory(1) / "head", copy)
        ours = _agent(config, tc, last, client, operations)
        one = _one_by_one(config, copy, tc, operations // ONE_BY_ONE_SHARE)
        theirs = _secondary(rival, client, last, operations)
        rival.leave()
    return [
        Ratio("apply_per_entry", one * operations / ours, GOAL_PER_ENTRY),
        Ratio("apply", theirs / ours, GOAL),
    ]


def _synced(directory: Path, replica_set: ReplicaSet) -> tuple[Config, Timestamp]:
    """Make a head with the data from before the measured oplog; returns the start of its copy, too."""
    with an_agent(directory, replica_set) as agent:
        agent.start()
        agent.end_after_the_switch()
        with agent.store() as store:
            current = store.generation("current")
    tc = current.sync.tc if current is not None else None
    if tc is None:
        raise Unequal("expected a generation that was synced, found none")
    return agent.config, tc


def _agent(config: Config, tc: Timestamp, last: Timestamp, expected: Client, operations: int) -> float:
    """Capture everything first, then apply it; returns the seconds of applying."""
    with contextlib.closing(SourceSet(config)) as sources, contextlib.closing(Store(config.state_file)) as store:
        runtime = Runtime(config, sources, 1, Room(config, store))
        try:
            runtime.start_head()
            runtime.begin_capture(tc)
            wait_for("capture to reach the end", lambda: (at := runtime.view.captured) is not None and at >= last)
            runtime.begin_apply(tc)
            began = time.monotonic()
            while (at := runtime.applied) is None or at.ts < last:
                runtime.apply(last)
            seconds = time.monotonic() - began
            printing.measured("agent: applied on the head", seconds, printing.operations(operations, seconds))
            data.require_equal(expected, runtime.head.client, "the head")
        finally:
            runtime.stop()
    return seconds


def _one_by_one(config: Config, copy: Path, tc: Timestamp, operations: int) -> float:
    """Apply the first operations by one command each; returns the seconds of one."""
    slices = config.generation_directory(1) / "slices"
    mongod = Mongod(config.head.mongod, copy, config.socket_directory / "rival.sock", config.head.cache_mb)
    with contextlib.closing(SliceWriter(slices, 1)) as writer:
        entries = list(islice(_writes(SliceReader(writer, tc), tc), operations))
    try:
        client = mongod.start()
        began = time.monotonic()
        for entry in entries:
            reply = client.admin.command(SON([("applyOps", [entry]), ("writeConcern", {"w": 1})]))
            if reply["results"] != [True]:
                raise Unequal(f"expected applyOps to apply {entry}, found {reply}")
        seconds = time.monotonic() - began
    finally:
        mongod.remove()
    printing.measured("rival: one applyOps for each entry", seconds, printing.operations(len(entries), seconds))
    return seconds / len(entries)


def _writes(reader: SliceReader, tc: Timestamp) -> Iterator[SON[str, Any]]:
    """Yield the operations after the copy as `applyOps` takes them: without their place in the oplog."""
    while batch := reader.next_batch():
        for entry in batch:
            if entry["op"] in ("i", "u", "d") and entry["ns"].startswith(f"{data.DATABASE}.") and entry["ts"] > tc:
                yield _operation(entry)


def _operation(entry: RawBSONDocument) -> SON[str, Any]:
    return SON([(name, entry[name]) for name in ("op", "ns", "ui", "o", "o2") if name in entry])


def _secondary(rival: NewMember, expected: Client, last: Timestamp, operations: int) -> float:
    """Start the stopped member again; returns the seconds from its first applied entry to its last."""
    rival.mongod.start()
    rival.mongod.wait()
    with rival.mongod.client() as client:
        before = _applied(client)
        wait_for("the secondary to begin", lambda: _applied(client) > before)
        began = time.monotonic()
        wait_for("the secondary to catch up", lambda: _applied(client) >= last)
        seconds = time.monotonic() - began
        printing.measured("mongod: a secondary catches up", seconds, printing.operations(operations, seconds))
        wait_for("the secondary to be one", lambda: bool(client.admin.command("hello")["secondary"]))
        data.require_equal(expected, client, "the secondary")
    return seconds


def _applied(client: Client) -> Timestamp:
    found = client.admin.command("replSetGetStatus")["optimes"]["appliedOpTime"]["ts"]
    assert isinstance(found, Timestamp)
    return found
