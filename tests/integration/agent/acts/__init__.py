"""What a database can do to a backup: one act per kind of entry, option and trap.

Each is a generator: what it does before its `yield` is the setting, what it does after it the change. So that the same act can be
copied, happen while the copy goes on, or be tailed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pymongo import MongoClient

from acts import collections, documents, indexes, namespaces, server, transactions  # noqa: F401 - each adds its acts
from acts.base import ACTS, SKIPPED, SPANNING, Act, Json

__all__ = ["ACTS", "SKIPPED", "SPANNING", "Act", "begin", "finish"]


def begin(client: MongoClient[Json], name: str, chosen: Mapping[str, Act] = ACTS) -> list[Iterator[None]]:
    """Do the first part of every chosen act in a database of that name."""
    running = [function(client[name]) for function in chosen.values()]
    for one in running:
        next(one)
    return running


def finish(running: list[Iterator[None]]) -> None:
    """Do the second part of every act that was begun."""
    for one in running:
        assert next(one, "done") == "done"
