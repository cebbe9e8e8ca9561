"""What every act needs: the lists that acts are in, and small helpers."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

from bson.son import SON
from pymongo.database import Database

Json = dict[str, Any]
Act = Callable[[Database[Json]], Iterator[None]]
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
FAR_SECONDS = 10**9
"""An expiry that no test lives to see: more than thirty years."""

ACTS: dict[str, Act] = {}
"""Acts that can be copied, happen while the copy goes on, or be tailed."""
SPANNING: dict[str, Act] = {}
"""Acts that begin before the copy and end while it goes on. Left open for longer they would keep a sync from ending."""
SKIPPED: set[str] = set()
"""What the server of this run does not have, and was therefore not done."""


def act(function: Act) -> Act:
    """Add an act to the list."""
    ACTS[function.__name__] = function
    return function


def spanning(function: Act) -> Act:
    """Add an act to those that begin before the copy and end during it."""
    SPANNING[function.__name__] = function
    return function


def server(db: Database[Json]) -> tuple[int, ...]:
    """Return the version of the server."""
    return tuple(db.client.server_info()["versionArray"][:2])


def has(db: Database[Json], version: tuple[int, int], what: str) -> bool:
    """Say whether the server is of this version or newer; if not, note and print what is left out."""
    found = server(db)
    if found >= version:
        return True
    text = f"MongoDB {found[0]}.{found[1]} has no {what} (from {version[0]}.{version[1]})"
    if text not in SKIPPED:
        SKIPPED.add(text)
        print("left out:", text)
    return False


def modify(db: Database[Json], collection: str, **changes: Any) -> None:
    """Run collMod."""
    db.command(SON([("collMod", collection), *changes.items()]))
