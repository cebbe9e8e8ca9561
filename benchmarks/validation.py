"""A validation of every document against reading both sides raw at the same time."""

from __future__ import annotations

from benchmarks import data, printing, reading
from benchmarks.agent import an_agent
from benchmarks.errors import Unequal
from benchmarks.members import SECONDARY, source
from benchmarks.options import Options, in_turns, scratch
from benchmarks.printing import Ratio

GOAL = 0.8
TITLE = "a validation at level digest, against reading both sides raw"


def run(options: Options) -> list[Ratio]:
    """Measure it."""
    with scratch() as directory, source(directory) as replica_set, an_agent(directory / "agent", replica_set) as agent:
        with replica_set.client() as client:
            documents = data.load(client, options.megabytes)
        agent.start()
        agent.end_after_the_switch()
        printing.say(f"  {documents:,} documents in {len(data.COLLECTIONS)} collections")
        with replica_set.member_client(SECONDARY) as member, agent.head(1) as head:

            def ours() -> float:
                seconds, report = agent.validation_seconds()
                compared = sum(
                    c["documents"] for c in report["collections"] if c["namespace"].startswith(data.DATABASE)
                )
                if not report["equal"] or compared != documents:
                    raise Unequal(f"expected {documents} equal documents, found {compared}: {report['text']}")
                printing.measured("agent: digests of both sides compared", seconds, f"{compared:,} documents")
                return seconds

            def theirs() -> float:
                seconds, size = reading.read_all([member, head], threads=1)
                printing.measured("raw: both sides, a thread each", seconds, printing.megabytes(size, seconds))
                return seconds

            fastest = in_turns(options.rounds, ours, theirs)
    return [Ratio("validation", fastest[1] / fastest[0], GOAL)]
