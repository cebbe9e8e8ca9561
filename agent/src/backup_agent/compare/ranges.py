"""Comparing a collection `_id` range by `_id` range, each at an optime T of its own.

A range is sized so that it ends within the member's snapshot history. One that takes too long is tried again smaller, one that
cannot be read at T is tried again at another T. A difference counts when it is seen again at another T.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from backup_agent.compare import digest, manifest
from backup_agent.compare.digest import Digest, Side, Span
from backup_agent.compare.sides import ATTEMPTS, MOST_SECONDS, WORK_SHARE, Pair, Sides
from backup_agent.errors import Transient
from backup_agent.head import alive_or_transient
from backup_agent.namespaces import split
from backup_agent.source.answers import is_refusal, meaning
from backup_agent.source.member import member_majority, raw_collection
from backup_agent.state.documents import noted
from backup_agent.times import OpTime
from backup_agent.values import Client
from backup_agent.words import words

FIRST_DOCUMENTS = 2_000
MOST_DOCUMENTS = 50_000_000
NAMED_DOCUMENTS = 5

DIFFERS = {
    "missing": "expected it, found none in the backup",
    "extra": "expected none, found one in the backup",
    "changed": "expected the source's bytes, found others in the backup",
}

NAMESPACE_NOT_FOUND = 26
TAKES_TOO_LONG = {50, 43, 239}  # MaxTimeMSExpired, CursorNotFound, SnapshotTooOld
AGAIN = {
    72,  # InvalidOptions: "atClusterTime value must not be greater than the current clusterTime"
    134,  # ReadConcernMajorityNotAvailableYet
    175,  # QueryPlanKilled: the collection was renamed or one of its indexes was dropped
    246,  # SnapshotUnavailable: a change of the catalogue is younger than T
}


class Gone(Exception):
    """The collection has been dropped."""


class _Smaller(Exception):
    """The range takes too long for the member's history."""


class _Again(Exception):
    """The same range may work at another T."""


class _MemberLost(Exception):
    """The member did not answer."""


class _Stopped(Exception):
    """The other side failed, or the step must end."""


@dataclass(frozen=True)
class Outcome:
    """A range that was compared at T; `upper` is where the next one begins, None at the end."""

    optime: OpTime
    documents: int
    upper: RawBSONDocument | None
    differences: tuple[str, ...] = ()


def next_size(size: int, elapsed_seconds: float, target_seconds: float) -> int:
    """Return how many documents the next range should have, from how long the last one took. Pure.

    It grows at most fourfold at a time, because documents further on may be larger.
    """
    factor = min(4.0, max(0.1, target_seconds / max(elapsed_seconds, 0.001)))
    return max(1, min(MOST_DOCUMENTS, int(size * factor)))


class Ranges:
    """Compares ranges; what it learns about their speed serves for the next collection too."""

    def __init__(self, sides: Sides, ids_only: bool) -> None:
        """With `ids_only` documents are compared by their `_id` alone."""
        self._sides, self._ids_only = sides, ids_only
        self._size = FIRST_DOCUMENTS

    def chain(self, pair: Pair) -> Iterator[Outcome]:
        """Compare the whole collection. Raises Gone, Transient, BadConfiguration."""
        outcome = self.compare(pair, None)
        yield outcome
        while outcome.upper is not None:
            outcome = self.compare(pair, outcome.upper)
            yield outcome

    def starts(self, pair: Pair, count: int) -> Iterator[RawBSONDocument | None]:
        """Yield where `count` ranges begin: the first document, then random ones. Raises Transient."""
        yield None
        where = manifest.side(self._sides.head, pair.namespace)
        try:
            yield from digest.random_bounds(where, count - 1)
        except PyMongoError as error:
            alive_or_transient(self._sides.work.head)
            raise Transient(
                f"validation: expected random documents of {pair.namespace}, found: {words(error)}"
            ) from error

    def compare(self, pair: Pair, lower: RawBSONDocument | None, most: int | None = None) -> Outcome:
        """Compare a range of at most `most` documents; one that differs is compared once more at another T.

        Raises Gone, Transient, BadConfiguration.
        """
        outcome = self._attempted(pair, lower, most)
        if outcome.differences:
            self._sides.pause()
            outcome = self._attempted(pair, lower, most)
        return outcome

    def _attempted(self, pair: Pair, lower: RawBSONDocument | None, most: int | None) -> Outcome:
        """Compare a range, again and smaller where the member asks for it. Raises Transient after several attempts."""
        last = ""
        for _ in range(ATTEMPTS):
            try:
                return self._compared(pair, lower, min(self._size, most or self._size))
            except _Smaller as signal:
                self._size, last = max(1, self._size // 4), f"{signal} (now at most {self._size} documents a range)"
                self._sides.release()
            except _Again as signal:
                last = str(signal)
                self._sides.pause()
            except _MemberLost as signal:
                last = str(signal)
                self._sides.lost()
        raise Transient(
            f"validation of {pair.namespace}: expected to read a range from {self._sides.member}, found: {last}; "
            "it is tried again"
        )

    def _compared(self, pair: Pair, lower: RawBSONDocument | None, size: int) -> Outcome:
        optime = self._sides.stand()
        began = time.monotonic()
        database, _ = split(pair.namespace)
        here = Side(self._sides.head, database, pair.head, seconds=MOST_SECONDS, natural=pair.natural)
        there = Side(self._sides.source, database, pair.source, optime.ts, self._sides.budget, pair.natural)
        try:
            upper = digest.bound_after(here, lower, size)
        except PyMongoError as error:
            raise self._meaning(error, of_head=True) from error
        span = Span(lower, upper)
        # One more than the head has is enough to differ; without an upper bound the source could have any number.
        source, head = self._both(there, here, span, size + 1)
        found: tuple[str, ...] = ()
        if (source.documents, source.digest) != (head.documents, head.digest):
            found = self._name(pair.namespace, there, here, span, (source, head))
        elif source.documents >= size // 2 or source.documents == size:
            self._size = next_size(size, time.monotonic() - began, WORK_SHARE * self._sides.budget)
        return Outcome(optime, source.documents, upper, found)

    def _both(self, there: Side, here: Side, span: Span, limit: int) -> tuple[Digest, Digest]:
        """Read both sides at the same time; the head stands still, because nothing here calls `apply_some`."""
        stop = threading.Event()
        each = self._until(stop)
        with ThreadPoolExecutor(2) as pool:
            source, head = (
                pool.submit(digest.read, side, span, ids_only=self._ids_only, limit=limit, each=each)
                for side in (there, here)
            )
            try:
                self._wait_for((source, head), stop)
            finally:
                stop.set()
        errors = [(future.exception(), future is head) for future in (source, head)]
        for error, of_head in sorted(errors, key=lambda pair: isinstance(pair[0], _Stopped)):
            if error is not None:
                raise self._meaning(error, of_head) from error
        return source.result(), head.result()

    def _until(self, stop: threading.Event) -> Callable[[], None]:
        """Return what both readers call between batches: it ends them when `stop` is set, or when the range took too long."""
        budget = self._sides.budget
        deadline = time.monotonic() + budget

        def each() -> None:
            if stop.is_set():
                raise _Stopped
            if time.monotonic() > deadline:
                raise _Smaller(f"a range took over {budget:.0f} s")

        return each

    def _wait_for(self, futures: tuple[Future[Digest], ...], stop: threading.Event) -> None:
        """Wait for both readers; one that fails stops the other. Raises Canceled and Shutdown."""
        while wait(futures, timeout=0.25).not_done:
            self._sides.work.alive()
            if any(future.done() and future.exception() for future in futures):
                stop.set()

    def _name(
        self, namespace: str, there: Side, here: Side, span: Span, digests: tuple[Digest, Digest]
    ) -> tuple[str, ...]:
        """Name the first documents that differ, while both sides still show T; the range is one difference otherwise."""
        alive = self._sides.work.alive
        try:
            named = digest.differences(there, here, span, most=NAMED_DOCUMENTS, ids_only=self._ids_only, each=alive)
        except PyMongoError:
            named = []
        if named:
            return tuple(self._sentence(namespace, difference) for difference in named)
        source, head = digests
        return (
            f"expected digest {source.digest[:16]} ({source.documents} documents), found {head.digest[:16]} ({head.documents})",
        )

    def _sentence(self, namespace: str, difference: digest.Difference) -> str:
        document = noted(self._sides.work.config.directory, namespace, difference.id)
        return f"document {document}: {DIFFERS[difference.kind]}"

    def _meaning(self, error: BaseException, of_head: bool) -> BaseException:
        """Return what is to be done about an error of a side."""
        if not isinstance(error, PyMongoError):
            return error
        if isinstance(error, OperationFailure):
            text = words(error)[:200]
            if error.code == NAMESPACE_NOT_FOUND:
                return Gone(text)
            if error.code in TAKES_TOO_LONG:
                return _Smaller(text)
            if error.code in AGAIN:
                return _Again(text)
            if is_refusal(error) and not of_head:
                return meaning("validation", error)
        if of_head:
            alive_or_transient(self._sides.work.head)
            return Transient(
                f"validation: expected the head to be read, found: {words(error)[:200]}; it is tried again"
            )
        return _MemberLost(words(error)[:200])


# A capped collection ------------------------------------------------------------------------------------------------------


def compare_capped(source: Side, head: Side, optime: OpTime, each: Callable[[], None]) -> Outcome | None:
    """Compare a whole capped collection, of which the server has no reads at a time that is past; the head stands at T.

    The source is read in its natural order as it is now, after T. What was read is what it held at T when the oplog has no entry
    of the collection from T to the end of the read; otherwise nothing is known, None is returned, and it is tried again. Raises
    PyMongo's errors and Transient.
    """
    there = digest.read(replace(source, natural=True, after=optime.ts, at=None), each=each)
    if written_since(source.client, source.collection, optime.ts):
        return None
    here = digest.read(replace(head, natural=True), each=each)
    if (there.documents, there.digest) == (here.documents, here.digest):
        return Outcome(optime, there.documents, None)
    difference = (
        f"expected digest {there.digest[:16]} ({there.documents} documents, in their order), "
        f"found {here.digest[:16]} ({here.documents})"
    )
    return Outcome(optime, there.documents, None, (difference,))


def written_since(client: Client, collection: Binary | str, at: Timestamp) -> bool:
    """Say whether the oplog has an entry of a collection after `at`; one without a UUID counts as written to.

    Capped collections are not written to in transactions, so every write is an entry of its own. Raises Transient when the
    member has not committed as far as it has been read.
    """
    if isinstance(collection, str):
        return True
    try:
        entry = raw_collection(client, "local.oplog.rs").find_one({"ts": {"$gt": at}, "ui": collection})
        majority = member_majority(client)
    except PyMongoError as error:
        raise Transient(f"validation: expected the oplog after {at}, found: {words(error)[:200]}") from error
    if majority is None or majority < at:
        raise Transient(f"validation: expected a member that has committed {at}, found {majority}")
    return entry is not None
