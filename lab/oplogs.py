"""Oplogs of chosen shapes, written into a real mongod in seconds instead of by a day of traffic.

A mongod that belongs to no replica set lets its `local.oplog.rs` be made and filled. The server tells an oplog by that name, so
it keys the records by `ts` like that of a member, and reads ranges of it the same way.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from bson import encode
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

if TYPE_CHECKING:
    from pymongo import MongoClient

MINUTE, DAY = 60, 24 * 3600
START = 1767225600  # 2026-01-01T00:00:00Z
HUGE = 16 * 1024 * 1024 - 4096
BATCH = 2000

Writes = Callable[[random.Random, int, int], float]
"""How many entries a minute has, relative to others: from a source of chance, the minute and the number of minutes."""


@dataclass(frozen=True)
class Shape:
    """How writes are spread over time, and how large the entries are."""

    title: str
    weight: Writes
    least: int = 60
    """The smallest entries have this many bytes of payload …"""
    most: int = 400
    """… and the largest this many."""
    huge: int = 0
    """How many entries of 16 MB there are, all in one minute."""
    seconds: int = MINUTE
    """In how many seconds of each minute all its entries are."""


def _bursty(chance: random.Random, minute: int, _minutes: int) -> float:
    busy = 12.0 if minute % 60 < 10 else 1.0
    return busy * math.exp(chance.gauss(0, 0.5))


SHAPES: Mapping[str, Shape] = {
    "uniform": Shape("the same rate all the time", lambda *_: 1.0),
    "bursty": Shape("ten busy minutes each hour, and no two minutes alike", _bursty),
    "spikes": Shape(
        "idle, with a minute of heavy writes every two hours", lambda _c, m, _n: 2000.0 if m % 120 == 60 else 1.0
    ),
    "huge": Shape("small entries, and a minute of entries of 16 MB", lambda *_: 1.0, huge=40),
    "ticks": Shape("all writes in the first two seconds of each minute", lambda *_: 1.0, seconds=2),
    "mixed": Shape("sizes from 60 bytes to 60 kB", _bursty, least=60, most=60_000),
}


def entries(shape: Shape, count: int, seconds: int = DAY, seed: int = 1) -> Iterator[bytes]:
    """Yield about `count` entries over so many seconds, as BSON, in the order of their `ts`."""
    chance = random.Random(seed)
    minutes = seconds // MINUTE
    weights = [shape.weight(chance, minute, minutes) for minute in range(minutes)]
    unit = count / sum(weights)
    for minute, weight in enumerate(weights):
        large = shape.huge if minute == minutes // 2 else 0
        yield from _minute(chance, shape, START + minute * MINUTE, round(unit * weight), large)


def _minute(chance: random.Random, shape: Shape, start: int, small: int, huge: int) -> Iterator[bytes]:
    times = sorted(chance.randrange(shape.seconds) for _ in range(small + huge))
    large = set(chance.sample(range(small + huge), huge))
    second, increment = -1, 0
    for number, time in enumerate(times):
        increment = increment + 1 if time == second else 1
        second = time
        size = HUGE if number in large else _size(chance, shape)
        yield _entry(Timestamp(start + time, increment), size)


def _size(chance: random.Random, shape: Shape) -> int:
    """Return a size between the two, small ones far more often where the range is wide."""
    return int(math.exp(chance.uniform(math.log(shape.least), math.log(shape.most))))


def _entry(ts: Timestamp, payload: int) -> bytes:
    return encode(
        {"op": "i", "ns": "shop.orders", "o": {"_id": ts.time * 1000 + ts.inc, "x": b"x" * payload}, "ts": ts, "v": 2}
    )


def fill(client: MongoClient[dict[str, Any]], shape: Shape, count: int, seconds: int = DAY, seed: int = 1) -> None:
    """Make the oplog of a mongod outside of any replica set, and fill it. It has none before; the server lets nobody drop one."""
    local = client.local
    local.create_collection("oplog.rs", capped=True, size=8 * 1024**3)
    source = entries(shape, count, seconds, seed)
    while batch := _batch(source):
        local["oplog.rs"].insert_many(batch)


def _batch(source: Iterator[bytes]) -> list[RawBSONDocument]:
    return [RawBSONDocument(entry) for entry in islice(source, BATCH)]
