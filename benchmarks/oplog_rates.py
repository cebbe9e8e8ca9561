"""The estimate of the write rate from a part of the oplog, against reading all of it, for oplogs of several shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_reading import read_rates
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from benchmarks import printing
from benchmarks.errors import Unequal
from benchmarks.options import Options, in_turns, scratch
from benchmarks.printing import Ratio
from lab.binaries import find_mongod
from lab.mongod import Mongod
from lab.oplogs import SHAPES, Shape, fill

GOAL = 2.0
TITLE = "the estimate of the write rate, against reading the whole oplog (by the server's time)"

ENTRIES_PER_OPERATION = 10
"""An oplog of as many entries as operations would be read as a whole anyway."""
MOST_BYTES = 2e9
WITHIN = 0.15
"""By how much the estimate of the 95th percentile may be off."""
REQUIRED = ("uniform", "bursty", "spikes", "huge")
"""The shapes for which that is promised; the others are printed."""


@dataclass(frozen=True)
class Times:
    """The server seconds of the estimate and of reading everything."""

    ours: float
    theirs: float


def run(options: Options) -> list[Ratio]:
    """Measure all shapes; the ratio is that of all their times together."""
    times = [_shape(name, options) for name in SHAPES]
    return [Ratio("oplog_rates", sum(each.theirs for each in times) / sum(each.ours for each in times), GOAL)]


def _shape(name: str, options: Options) -> Times:
    with _oplog() as client:
        fill(client, SHAPES[name], entries(SHAPES[name], options.operations))
        answers: dict[bool, list[dict[str, Any]]] = {True: [], False: []}

        def seconds(exact: bool) -> float:
            answers[exact].append(_read(client, exact))
            return float(answers[exact][-1]["server_seconds"])

        ours, theirs = in_turns(options.rounds, lambda: seconds(False), lambda: seconds(True))
        size = client.local.command("collStats", "oplog.rs")["size"]
    exact = answers[True][0]
    worst = max(answers[False], key=lambda answer: abs(off(answer, exact, "p95")))
    printing.say(f"  {name}: {SHAPES[name].title}; {exact['entries_read']:,} entries, {size / 1e6:,.0f} MB")
    for which in ("p95", "peak"):
        printing.say(
            f"    {which:<5} {_rate(exact, which)} exact, {_rate(worst, which)} estimated: {off(worst, exact, which):+.1%}"
        )
    rough = ", called rough" if worst["cut_short"] else ""
    printing.measured("  estimate (the worst of the rounds above)", ours, f"{worst['entries_read']:,} entries{rough}")
    printing.measured("  exact", theirs, f"{exact['entries_read']:,} entries")
    demand(name, off(worst, exact, "p95"))
    return Times(ours, theirs)


def entries(shape: Shape, operations: int) -> int:
    """Return how many entries the oplog has; fewer where they are large, because the disk has to hold them."""
    usual = (shape.most - shape.least) / math.log(shape.most / shape.least)
    return min(operations * ENTRIES_PER_OPERATION, int(MOST_BYTES / usual))


@contextmanager
def _oplog() -> Iterator[MongoClient[dict[str, Any]]]:
    """Yield a mongod outside of any replica set, which lets its oplog be filled."""
    with scratch() as directory:
        mongod = Mongod(find_mongod(), directory, ["--wiredTigerCacheSizeGB", "1"])
        mongod.start()
        try:
            mongod.wait()
            with mongod.client() as client:
                yield client
        finally:
            mongod.stop()
            mongod.release()


def _read(client: MongoClient[dict[str, Any]], exact: bool) -> dict[str, Any]:
    """Read the rate as the module does."""
    with connection.described("the mongod of the benchmark"):
        _state, window = connection.window(client)
        return read_rates(connection.oplog(client), window, exact)


def off(found: dict[str, Any], exact: dict[str, Any], which: str) -> float:
    """Return by which part of it an estimate differs from the exact rate."""
    key = f"{which}_bytes_per_second"
    return float(found[key]) / float(exact[key]) - 1


def demand(name: str, error: float) -> None:
    """Refuse an estimate that is off by more than was promised. Raises Unequal."""
    if name in REQUIRED and abs(error) > WITHIN:
        raise Unequal(f"expected the 95th percentile of {name} within {WITHIN:.0%}, found it off by {error:+.1%}")


def _rate(answer: dict[str, Any], which: str) -> str:
    return f"{answer[f'{which}_bytes_per_second'] / 1000:10,.2f} kB/s"
