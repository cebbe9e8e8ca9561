"""BSON timestamps, optimes and wall clock times, and how they are shown.

An optime is an oplog timestamp with its term. Only optimes are compared with each other; the agent's own clock is used for
ages that people read, never to decide what has been captured.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson.timestamp import Timestamp

ZERO = Timestamp(0, 0)
LAST_INCREMENT = 2**32 - 1
"""A timestamp with this increment stands for the end of its second: no entry has an increment this high."""


def now_iso() -> str:
    """Return the present time as an ISO 8601 string in UTC, to the second."""
    return iso_in(0)


def unix_seconds(iso: str) -> float:
    """Return the time of `now_iso` in seconds since 1970."""
    return datetime.strptime(iso, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def age_seconds(iso: str) -> int:
    """Return how many seconds ago the time of `now_iso` was."""
    return int(datetime.now(UTC).timestamp() - unix_seconds(iso))


def lately(iso: str, seconds: float) -> bool:
    """Say whether the time of `now_iso` was less than so many seconds ago.

    A time in the future is no such time: the clock has been set back since, and waiting for it to pass could take for ever.
    """
    return 0 <= age_seconds(iso) < seconds


def iso_in(seconds: float) -> str:
    """Return the time in `seconds` from now as `now_iso` writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_until(iso: str) -> int:
    """Return in how many seconds the time of `now_iso` will be; negative when it has been."""
    return -age_seconds(iso)


def moment(text: str) -> str:
    """Return any ISO time that has its zone as `now_iso` writes it. Raises ValueError."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"no zone in {text!r}")
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp_iso(ts: Timestamp) -> str:
    """Return the second of a timestamp as `now_iso` writes it."""
    return datetime.fromtimestamp(ts.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp_json(ts: Timestamp | None) -> dict[str, Any] | None:
    """Return the contract's form of a BSON timestamp, or None."""
    if ts is None:
        return None
    return {"time": ts.time, "increment": ts.inc, "iso": timestamp_iso(ts)}


def timestamp_from_json(value: dict[str, Any]) -> Timestamp:
    """Read what `timestamp_json` returned."""
    return Timestamp(value["time"], value["increment"])


def show(ts: Timestamp | None) -> str:
    """Return a timestamp as people read it in sentences: the UTC time and the increment."""
    if ts is None:
        return "none"
    return timestamp_iso(ts) if ts.inc == LAST_INCREMENT else f"{timestamp_iso(ts)}#{ts.inc}"


def seconds_between(later: Timestamp | None, earlier: Timestamp | None) -> int | None:
    """Return whole seconds from `earlier` to `later` (never below 0), or None when one is not known."""
    if later is None or earlier is None:
        return None
    return max(0, later.time - earlier.time)


@dataclass(frozen=True, order=True)
class OpTime:
    """Oplog timestamp and term."""

    ts: Timestamp
    term: int

    def to_json(self) -> dict[str, Any]:
        """Return the timestamp's fields and `term`."""
        return {"time": self.ts.time, "increment": self.ts.inc, "term": self.term}
