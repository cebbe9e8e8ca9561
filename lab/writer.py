"""A writer that never pauses for good: the process that `lab.Writer` starts."""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.write_concern import WriteConcern

from lab.background import DEFAULT_MIX, KINDS, parse_mix
from lab.data import DATABASE
from lab.documents import change, collection_names, document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymongo.collection import Collection

_INDEXED = ("weight", "total", "revision", "customer.points")
_KEEP = 50_000
_REPORT_SECONDS = 0.5
_RETRY_SECONDS = 0.1

Session = ClientSession | None


class Pace:
    """Says how long to wait so that the average rate is kept; after a pause it does not try to catch up in a burst."""

    def __init__(self, rate: float, now: float) -> None:
        self._step = 1 / rate
        self._due = now

    def delay(self, now: float) -> float:
        self._due = max(self._due + self._step, now - 0.1)
        return max(0.0, self._due - now)


class Load:
    """Decides what to write and writes it. The same seed makes the same decisions."""

    def __init__(
        self, collections: list[Collection[dict[str, Any]]], mix: Mapping[str, int], size: int, seed: int
    ) -> None:
        self._rng = random.Random(seed)
        self._prefix = f"w{seed}"
        self._collections = collections
        self._ids: list[list[Any]] = [[] for _ in collections]
        self._mix = mix
        self._size = size
        self._number = 0
        self._do: dict[str, Callable[[], None]] = {
            "insert": lambda: self._insert(self._any(), None),
            "update": lambda: self._update(self._any(), None),
            "delete": lambda: self._delete(self._any(), None),
            "transaction": self._transaction,
            "index": self._index,
        }

    def step(self) -> str:
        """Write once and return the kind of write."""
        kind = self._rng.choices(list(self._mix), list(self._mix.values()))[0]
        self._do[kind]()
        return kind

    def _any(self) -> int:
        return self._rng.randrange(len(self._collections))

    def _insert(self, which: int, session: Session) -> None:
        self._number += 1
        new = document(self._rng, self._prefix, self._number, self._size)
        self._collections[which].insert_one(new, session=session)
        self._ids[which].append(new["_id"])
        if len(self._ids[which]) > _KEEP:
            self._ids[which].pop(0)

    def _update(self, which: int, session: Session) -> None:
        if not self._ids[which]:
            return self._insert(which, session)
        self._collections[which].update_one(
            {"_id": self._rng.choice(self._ids[which])}, change(self._rng), session=session
        )
        return None

    def _delete(self, which: int, session: Session) -> None:
        ids = self._ids[which]
        if not ids:
            return self._insert(which, session)
        place = self._rng.randrange(len(ids))
        ids[place], ids[-1] = ids[-1], ids[place]
        self._collections[which].delete_one({"_id": ids.pop()}, session=session)
        return None

    def _transaction(self) -> None:
        client = self._collections[0].database.client
        with client.start_session() as session, session.start_transaction(write_concern=WriteConcern(w=1)):
            self._insert(self._any(), session)
            self._update(self._any(), session)
            self._insert(self._any(), session)
            self._delete(self._any(), session)

    def _index(self) -> None:
        collection, field = self._collections[self._any()], self._rng.choice(_INDEXED)
        name = f"live_{field}"
        if name in collection.index_information():
            collection.drop_index(name)
        else:
            collection.create_index(field, name=name)


class Report:
    """Counts, and their file."""

    def __init__(self, file: Path | None, seed: int) -> None:
        self._file = file
        self._written = self._last = self._started = time.monotonic()
        self.counts: dict[str, Any] = {"seed": seed, "operations": 0, "errors": 0, "last_error": None}
        self.counts |= {"longest_pause_seconds": 0.0, "seconds": 0.0}

    def done(self, kind: str) -> None:
        now = time.monotonic()
        counts = self.counts
        counts["operations"] += 1
        counts[kind] = counts.get(kind, 0) + 1
        counts["longest_pause_seconds"] = round(max(counts["longest_pause_seconds"], now - self._last), 3)
        self._last = now

    def failed(self, error: Exception) -> None:
        self.counts["errors"] += 1
        self.counts["last_error"] = f"{type(error).__name__}: {error}"[:300]

    def save(self, *, always: bool = False) -> None:
        now = time.monotonic()
        if self._file is None or not (always or now - self._written > _REPORT_SECONDS):
            return
        self._written = now
        self.counts["seconds"] = round(now - self._started, 1)
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(self.counts))
        partial.replace(self._file)


def run(load: Load, report: Report, rate: float, stopped: Callable[[], bool]) -> None:
    """Write until told to stop; whatever goes wrong is counted and tried again."""
    pace = Pace(rate, time.monotonic())
    while not stopped():
        try:
            report.done(load.step())
        except DuplicateKeyError as error:  # a retried insert that had been done, or a seed used before
            report.failed(error)
        except PyMongoError as error:
            report.failed(error)
            time.sleep(_RETRY_SECONDS)
        report.save()
        time.sleep(pace.delay(time.monotonic()))


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if not options.uri:
        print("expected --uri or MONGODB_URI; found neither", file=sys.stderr)
        return 2
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _frame: stopping.append(signum))
    with MongoClient[dict[str, Any]](options.uri, w=1, serverSelectionTimeoutMS=5000, socketTimeoutMS=10_000) as client:
        names = collection_names(options.collections)
        collections = [client[options.database][name] for name in names]
        load = Load(collections, options.mix, options.document_bytes, options.seed)
        report = Report(options.state, options.seed)
        run(load, report, options.rate, lambda: bool(stopping))
    report.save(always=True)
    print(json.dumps(report.counts))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.writer", description=__doc__)
    parser.add_argument("--uri", default=os.environ.get("MONGODB_URI"), help="default: $MONGODB_URI")
    parser.add_argument("--database", default=DATABASE)
    parser.add_argument("--rate", type=float, default=300, help="operations per second")
    parser.add_argument("--mix", type=parse_mix, default=dict(DEFAULT_MIX), help="KIND=WEIGHT,…: " + ", ".join(KINDS))
    parser.add_argument("--collections", type=int, default=4)
    parser.add_argument("--document-bytes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="default: a random one")
    parser.add_argument("--state", type=Path, help="write the counts to this file twice a second")
    return parser


if __name__ == "__main__":
    sys.exit(main())
