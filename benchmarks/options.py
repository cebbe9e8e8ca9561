"""What a benchmark is told, and what all of them begin with."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import TooLong

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Options:
    """How much is measured, and how often."""

    megabytes: float = 500
    """How many megabytes of documents are copied or compared."""
    operations: int = 300_000
    """How many operations the oplog has that is captured or applied."""
    rounds: int = 2
    """How often both sides are measured, in turns; the shortest time of each counts, because everything above it is noise."""
    jobs: int = 200
    """How many jobs the fleet has that is checked."""
    databases: int = 2000
    """How many databases the larger source has."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a directory that is removed at the end; its path is short, because sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        yield Path(name)


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until a condition holds. Raises TooLong."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TooLong(f"waited {seconds:.0f} s for {what}; it did not come")
        time.sleep(POLL_SECONDS)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds something takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def in_turns(rounds: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Measure both sides in turns, each being first every other time; returns the shortest seconds of each."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for is_ours in (True, False) if number % 2 == 0 else (False, True):
            seconds[is_ours].append(ours() if is_ours else theirs())
    return min(seconds[True]), min(seconds[False])
