"""Capturing an oplog that is full against the raw cursor over the same entries, which are dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from bson.timestamp import Timestamp

from backup_agent.capture.capture import Capture
from backup_agent.capture.slices import SliceReader, SliceWriter
from backup_agent.config import Config
from backup_agent.errors import ResyncRequired
from backup_agent.source.connections import SourceSet
from backup_agent.state.room import Room
from backup_agent.state.store import Store
from benchmarks import data, printing, reading
from benchmarks.agent import configured
from benchmarks.errors import Unequal
from benchmarks.members import SECONDARY, source
from benchmarks.options import Options, in_turns, scratch, timed, wait_for
from benchmarks.printing import Ratio

GOAL = 0.8
TITLE = "capturing an oplog into slices, against a raw cursor over it"


def run(options: Options) -> list[Ratio]:
    """Measure it."""
    with scratch() as directory, source(directory) as replica_set:
        with replica_set.client() as client:
            data.load_base(client)
            first = data.settle(client)
            data.write_operations(client, options.operations)
            last = data.settle(client)
        config = configured(directory / "agent", replica_set)
        directories: Iterator[Path] = (directory / f"slices{number}" for number in count())
        with replica_set.member_client(SECONDARY) as member:

            def theirs() -> float:
                seconds, size = reading.read_oplog(member, first, last)
                printing.measured("raw: the cursor alone", seconds, printing.megabytes(size, seconds))
                return seconds

            def ours() -> float:
                where = next(directories)
                seconds = captured(config, where, first, last)
                size = _size(where, first, last)
                _, expected = reading.read_oplog(member, first, last)
                if size != expected:
                    raise Unequal(f"expected {expected} bytes of entries in the slices, found {size}")
                printing.measured("agent: captured, every page synced", seconds, printing.megabytes(size, seconds))
                return seconds

            fastest = in_turns(options.rounds, ours, theirs)
    return [Ratio("capture", fastest[1] / fastest[0], GOAL)]


def captured(config: Config, where: Path, first: Timestamp, last: Timestamp) -> float:
    """Capture from one entry to another into an empty directory; returns the seconds from the start of the thread."""
    with (
        contextlib.closing(SourceSet(config)) as sources,
        contextlib.closing(Store(config.state_file)) as store,
        contextlib.closing(SliceWriter(where, 1)) as writer,
    ):
        capture = Capture(sources, writer, first, Room(config, store))

        def through() -> bool:
            view = capture.view
            if isinstance(view.problem, ResyncRequired):  # the others pass: that the member has not answered yet, say
                raise Unequal(f"capture: {view.problem.message}")
            return view.captured is not None and view.captured >= last

        def work() -> None:
            capture.start()
            wait_for("capture to reach the end", through)

        try:
            return timed(work)
        finally:
            capture.stop()


def _size(where: Path, first: Timestamp, last: Timestamp) -> int:
    with contextlib.closing(SliceWriter(where, 1)) as writer:
        reader, size = SliceReader(writer, first), 0
        while batch := reader.next_batch():
            size += sum(len(entry.raw) for entry in batch if first <= entry["ts"] <= last)
    return size
