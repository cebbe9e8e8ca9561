"""The clock, and a plan of what will happen when. Something happens only when somebody calls `look`."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta

from tests.ops_manager.settings import Switches

Action = Callable[[datetime], None]
AGAIN = timedelta(milliseconds=10)


class Clock:
    """The server's clock: the machine's, ahead or behind by the skew."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._switches.clock_skew)


class Agenda:
    """Actions by moment. An action gets the moment that it was planned for, not the moment of the call."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self._planned: list[tuple[datetime, int, Hashable, Action]] = []

    def plan(self, moment: datetime, key: Hashable, action: Action) -> None:
        heapq.heappush(self._planned, (moment, next(self._count), key, action))

    def drop(self, key: Hashable) -> None:
        """Forget everything planned under a key."""
        self._planned = [entry for entry in self._planned if entry[2] != key]
        heapq.heapify(self._planned)

    def waiting(self, key: Hashable) -> int:
        """Return how many actions are planned under a key."""
        return sum(entry[2] == key for entry in self._planned)

    def advance(self, now: datetime) -> None:
        """Do everything that is due, in order, including actions that are planned meanwhile for a past moment."""
        while self._planned and self._planned[0][0] <= now:
            moment, _count, _key, action = heapq.heappop(self._planned)
            action(moment)


def later(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)
