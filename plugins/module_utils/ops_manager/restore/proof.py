# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proof of a restored snapshot: a mongod starts on it, and every collection is valid and was read to its end.

There is nothing to compare with, unlike with the agent's own snapshots, whose manifests hold digests: Ops Manager tells none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ...values import Answer

try:
    from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError
except ImportError:
    pass  # `connection.HAS_PYMONGO` says so

from ...errors import FixInput, sentence
from ...servers import connection
from .scratch import Damaged, Scratch, is_dump, shortened

_INTERNAL = ("admin", "config", "local")
_NAMED = 20
_QUOTED = 3


@dataclass(frozen=True)
class Wish:
    """What to start, and how."""

    mongod: str
    cache_mb: int = 512
    start_seconds: float = 600.0


def prove(directory: str, wish: Wish, parts: tuple[str, ...] = ("",)) -> Answer:
    """Prove what was restored into a directory; `parts` are the directories of a sharded cluster below it.

    The answer is `equal` (nothing is wrong), `collections`, `documents` and `differences`, at most 20 of them as sentences.
    The mongod changes the files: the directory is no fresh restore any more. Where nothing can be told it raises: without
    pymongo or a mongod, or when the mongod was killed or takes too long to start.
    """
    if not connection.HAS_PYMONGO:
        message = sentence(
            expected="pymongo in the Python that proves", found="none", remedy="install it, or set agent_python"
        )
        raise FixInput(message, code="pymongo_missing")
    found = [_prove_part(os.path.normpath(os.path.join(directory, part)), part, wish) for part in parts]
    differences = [text for one in found for text in one.differences]
    if not differences and not any(one.of_applications for one in found):
        differences.append("expected at least one collection of an application, found none")
    return {
        "equal": not differences,
        "collections": sum(one.collections for one in found),
        "documents": sum(one.documents for one in found),
        "differences": differences[:_NAMED],
    }


@dataclass
class _Found:
    """What was seen on one directory."""

    differences: list[str]
    collections: int = 0
    documents: int = 0
    of_applications: int = 0


def _prove_part(directory: str, part: str, wish: Wish) -> _Found:
    found = _Found([])
    scratch = Scratch(wish.mongod, directory, wish.cache_mb, wish.start_seconds)
    try:
        with scratch.running() as client:
            _read_all(client, found)
    except Damaged as error:
        found.differences.append(error.message)
    if part:
        found.differences = [f"{part}: {text}" for text in found.differences]
    return found


def _read_all(client: Any, found: _Found) -> None:
    """Read every collection; one that is damaged keeps no other from being read, as long as the mongod lives."""
    for database in client.list_database_names():
        for name in _collections(client[database]):
            _look(client[database], name, found)


def _look(database: Any, name: str, found: _Found) -> None:
    full_name = f"{database.name}.{name}"
    try:
        documents = _read(database, name)
    except OperationFailure as error:
        found.differences.append(f"{full_name}: {_words(error)}")
    except _Different as error:
        found.differences.append(f"{full_name}: {error}")
    except PyMongoError as error:  # the connection is lost, and with it most likely the mongod
        raise AutoReconnect(f"while it read {full_name} ({_words(error)})") from None
    else:
        found.collections += 1
        found.documents += documents
        found.of_applications += database.name not in _INTERNAL and name != "system.views"


class _Different(Exception):
    """What is wrong with a collection."""


def _collections(database: Any) -> list[str]:
    """Return what holds documents: a view has none of its own, and of a time series they are in its buckets."""
    return sorted(
        str(one["name"]) for one in database.list_collections() if one.get("type", "collection") == "collection"
    )


def _read(database: Any, name: str) -> int:
    """Return how many documents were read; raises _Different where the server finds fault, or counts otherwise."""
    # Full: every page and every index entry, not only the structure.
    result = database.command("validate", name, full=True)
    if not result.get("valid"):
        said = [shortened(str(text)) for text in result.get("errors") or () if not is_dump(str(text))]
        raise _Different("not valid: " + "; ".join(said[:_QUOTED] or ["it does not say why"]))
    read = sum(_count(batch) for batch in database[name].find_raw_batches())
    counted = int(result.get("nrecords", read))
    if counted != read:
        raise _Different(f"expected {counted} documents as validate counts them, read {read}")
    return read


def _count(batch: bytes) -> int:
    """Return how many documents lie one after the other in a batch; each begins with its length."""
    number, position = 0, 0
    while position < len(batch):
        position += int.from_bytes(batch[position : position + 4], "little")
        number += 1
    return number


def _words(error: Exception) -> str:
    return shortened(str(error).split(", full error", maxsplit=1)[0])
