"""Many databases: what a collection costs in a first sync must not grow with how many there are.

A source of few databases and one of four times as many, each with five collections of one document and one index, are synced
by the agent and by mongod itself. Then collections are made and dropped while the agent tails.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import data, printing
from benchmarks.agent import Agent, an_agent
from benchmarks.members import NewMember, source
from benchmarks.options import Options, scratch, timed, wait_for
from benchmarks.printing import Ratio
from lab import ReplicaSet

TITLE = "a collection among many databases, against one among a quarter of them, and against mongod"
COLLECTIONS = 5
FEWER = 4
CHANGES = 80
GOAL = 0.77
"""With four times as many databases a collection costs at most 1.3 times as much."""


@dataclass(frozen=True)
class Seconds:
    """How long a collection takes, in seconds."""

    ours: float
    theirs: float
    change: float
    """Collections that are made and dropped, until the agent has applied all: how many times as long as the source took."""


def _load(replica_set: ReplicaSet, databases: int) -> None:
    with replica_set.client() as client:
        for number in range(databases):
            for collection in range(COLLECTIONS):
                where = client[f"db{number:05d}"][f"c{collection}"]
                where.insert_one({"_id": 1, "n": number})
                where.create_index("n")
        data.settle(client)


def _change(replica_set: ReplicaSet) -> None:
    with replica_set.client(w="majority") as client:
        for number in range(CHANGES):
            client["db00000"].create_collection(f"new{number}")
            client["db00000"].drop_collection(f"new{number}")


def _measure(directory: Path, databases: int) -> Seconds:
    count = databases * COLLECTIONS
    with source(directory) as replica_set:
        _load(replica_set, databases)
        with an_agent(directory / "agent", replica_set) as agent:
            agent.start()
            ours = agent.step_seconds("initial_sync", "sync")
            agent.end_after_the_switch()
            made = timed(partial(_change, replica_set))
            change = made + timed(partial(_wait, agent, replica_set))
        member = NewMember(replica_set, directory / "member")
        theirs = member.join()
        member.leave()
    for what, seconds, many in (("agent: synced", ours, count), ("mongod: synced", theirs, count)):
        printing.measured(f"{what}, {databases} databases", seconds, f"{1000 * seconds / many:.2f} ms a collection")
    for what, seconds in (("source: made", made), ("agent: made", change)):
        each = f"{1000 * seconds / CHANGES:.1f} ms each"
        printing.measured(f"{what} and dropped {CHANGES}, {databases} databases", seconds, each)
    return Seconds(ours / count, theirs / count, change / made)


def _wait(agent: Agent, replica_set: ReplicaSet) -> None:
    with replica_set.client(w="majority") as client:
        client["bench"]["marks"].insert_one({"_id": 1})
    with agent.head(1) as head:
        wait_for("the mark", lambda: head["bench"]["marks"].find_one() is not None)


def run(options: Options) -> list[Ratio]:
    """Measure it."""
    with scratch() as directory:
        few = _measure(directory / "few", options.databases // FEWER)
        many = _measure(directory / "many", options.databases)
    return [
        Ratio("namespaces_of_mongod", many.theirs / many.ours),
        Ratio("namespaces_changed", few.change / many.change, GOAL),
        Ratio("namespaces", few.ours / many.ours, GOAL),
    ]
