"""One table decides about every oplog entry. What is not in it stops the job and is named; nothing is ever skipped silently.

The kinds of entries and the commands are those of the server's `oplog_entry.idl` and `oplog.cpp` (5.0 to 8.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Action(Enum):
    """What is done with an entry."""

    WRITE = "write"
    """An insert, update or delete: applied in a batch."""
    COMMAND = "command"
    """Changes the catalogue: applied alone."""
    TRANSACTION = "transaction"
    """Opens, goes on with, commits or aborts a transaction."""
    IGNORE = "ignore"
    """Needs nothing on the head; `why` says why."""
    STOP = "stop"
    """Cannot be replayed faithfully yet; `why` says what is missing."""


@dataclass(frozen=True)
class Rule:
    """The decision about one kind of entry."""

    action: Action
    why: str


_CATALOGUE = "changes the catalogue"
_CONTAINER = "fills a storage file of an index that is being built; the head builds its own when the build is committed"
_NEEDS_RESYNC = "this version cannot replay it; resync the job, and leave it out until a version can"

_NEWER = f"newer servers write it for features that were not tried: {_NEEDS_RESYNC}"

OPERATIONS: dict[str, Rule] = {
    "i": Rule(Action.WRITE, "insert"),
    "u": Rule(Action.WRITE, "update"),
    "d": Rule(Action.WRITE, "delete"),
    "n": Rule(Action.IGNORE, "a note or a periodic no-op has no effect on data"),
    "km": Rule(Action.IGNORE, "keys of the internal key manager belong to the member"),
    "ci": Rule(Action.IGNORE, _CONTAINER),
    "cu": Rule(Action.IGNORE, _CONTAINER),
    "cd": Rule(Action.IGNORE, _CONTAINER),
    "xi": Rule(Action.STOP, _NEWER),
    "xd": Rule(Action.STOP, _NEWER),
}

COMMANDS: dict[str, Rule] = {
    "applyOps": Rule(Action.TRANSACTION, "a transaction, or a batch of writes"),
    "commitTransaction": Rule(Action.TRANSACTION, "commits a prepared transaction"),
    "abortTransaction": Rule(Action.TRANSACTION, "aborts a prepared transaction"),
    "create": Rule(Action.COMMAND, _CATALOGUE),
    "drop": Rule(Action.COMMAND, _CATALOGUE),
    "renameCollection": Rule(Action.COMMAND, _CATALOGUE),
    "collMod": Rule(Action.COMMAND, _CATALOGUE),
    "createIndexes": Rule(Action.COMMAND, _CATALOGUE),
    "commitIndexBuild": Rule(Action.COMMAND, "the index is built here when its build was committed there"),
    "dropIndexes": Rule(Action.COMMAND, _CATALOGUE),
    "deleteIndexes": Rule(Action.COMMAND, _CATALOGUE),
    "startIndexBuild": Rule(Action.IGNORE, "the index is built when its build is committed"),
    "abortIndexBuild": Rule(Action.IGNORE, "an index that was never committed was never built here"),
    "dropDatabase": Rule(Action.COMMAND, "closes the database, whose collections were dropped by entries of their own"),
    "dbCheck": Rule(Action.IGNORE, "compares members with each other"),
    "setMultikeyMetadata": Rule(Action.IGNORE, "the head keeps its own multikey flags"),
    "dropIdent": Rule(Action.IGNORE, "storage files belong to the member"),
    "emptycapped": Rule(Action.COMMAND, "removes every document of a capped collection"),
    "convertToCapped": Rule(
        Action.STOP, f"servers from 4.2 on write create, insert and rename instead: {_NEEDS_RESYNC}"
    ),
    "importCollection": Rule(Action.STOP, f"imported files are not in the oplog: {_NEEDS_RESYNC}"),
    "truncateRange": Rule(Action.STOP, _NEWER),
    "createGlobalIndex": Rule(Action.STOP, _NEWER),
    "dropGlobalIndex": Rule(Action.STOP, _NEWER),
    "modifyCollectionShardingIndexCatalog": Rule(Action.STOP, _NEWER),
    "createDatabaseMetadata": Rule(Action.STOP, _NEWER),
    "dropDatabaseMetadata": Rule(Action.STOP, _NEWER),
    "upgradeDowngradeViewlessTimeseries": Rule(Action.STOP, _NEWER),
}

UNKNOWN = Rule(Action.STOP, f"this kind of entry is not known: {_NEEDS_RESYNC}")


def rule(op: str, command: str | None) -> Rule:
    """Return the decision about an entry of kind `op`; `command` is the name of the command when `op` is `c`."""
    if op == "c":
        return COMMANDS.get(command or "", UNKNOWN)
    return OPERATIONS.get(op, UNKNOWN)
