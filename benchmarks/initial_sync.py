"""A first sync against mongod's own initial sync of a new member: same source, same data, same cache.

Of the agent the step `sync` is measured, which starts the head, copies, builds the indexes and catches up; of the member all
from the start of its process until it is a secondary.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks import data, printing, reading
from benchmarks.agent import an_agent
from benchmarks.members import SECONDARY, NewMember, source
from benchmarks.options import Options, in_turns, scratch
from benchmarks.printing import Ratio
from lab import ReplicaSet

GOAL = 1.0
TITLE = "a first sync by the agent, against the initial sync of a new member"


class _Sides:
    """Both sides, each time in a new directory."""

    def __init__(self, replica_set: ReplicaSet, directory: Path) -> None:
        self._replica_set = replica_set
        self._directories: Iterator[Path] = (directory / f"{number}" for number in count())
        self.size = 0

    def ours(self) -> float:
        with an_agent(next(self._directories), self._replica_set) as agent, self._replica_set.client() as client:
            agent.start()
            seconds = agent.step_seconds("initial_sync", "sync")
            with agent.head(1) as head:
                data.require_equal(client, head, "the head")
        printing.measured("agent: head started, copied, indexed, caught up", seconds, self._amount(seconds))
        return seconds

    def theirs(self) -> float:
        member = NewMember(self._replica_set, next(self._directories))
        with self._replica_set.client() as client:
            seconds = member.join()
            with member.mongod.client() as found:
                data.require_equal(client, found, "the new member")
            printing.measured("mongod: started, found, synced, a secondary", seconds, self._amount(seconds))
            member.leave()
        return seconds

    def _amount(self, seconds: float) -> str:
        return printing.megabytes(self.size, seconds)


def run(options: Options) -> list[Ratio]:
    """Measure it."""
    with scratch() as directory, source(directory) as replica_set:
        with replica_set.client() as client:
            documents = data.load(client, options.megabytes)
        sides = _Sides(replica_set, directory)
        with replica_set.member_client(SECONDARY) as member:
            raw, sides.size = min(reading.read_all([member], threads=2) for _ in range(2))
        printing.say(f"  {documents:,} documents in {len(data.COLLECTIONS)} collections, two secondary indexes each")
        printing.measured("raw read limit: two threads, documents dropped", raw, printing.megabytes(sides.size, raw))
        ours, theirs = in_turns(options.rounds, sides.ours, sides.theirs)
    return [Ratio("initial_sync_of_raw_read", raw / ours), Ratio("initial_sync", theirs / ours, GOAL)]
