"""Validation: the head against the source, collection by collection and `_id` range by range.

For each range the head stands still at an optime T and the source is read as it was at T, so writes that go on meanwhile are no
differences. Collections are addressed by UUID, so a rename or a drop meanwhile is none either. A difference counts when it is
seen again at another T.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from bson.binary import Binary
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure, PyMongoError

from backup_agent import failpoints
from backup_agent.compare import digest, manifest, validation_capped
from backup_agent.compare.digest import Digest, Side, Span
from backup_agent.compare.manifest import COLLECTION, Entry
from backup_agent.errors import AgentError, BadConfiguration, OperationFailed, Transient
from backup_agent.head import alive_or_transient
from backup_agent.namespaces import split
from backup_agent.source.connections import AUTHENTICATION_FAILED, UNAUTHORIZED, asked
from backup_agent.state.work import Work
from backup_agent.times import OpTime, show, timestamp_json
from backup_agent.values import Client, Json

LEVELS = ("counts", "sample", "digest")

MOST_SECONDS = 60.0
HISTORY_SHARE = 0.6
"""A range may use this share of the member's snapshot history; the rest is for the delay of T itself."""

WORK_SHARE = 0.4
"""A range is sized to take this share of what it may, and a new one is begun at the same T only within the same share."""

DEFAULT_HISTORY_SECONDS = 300
FIRST_DOCUMENTS = 2_000
MOST_DOCUMENTS = 50_000_000
SAMPLE_RANGES = 5
SAMPLE_DOCUMENTS = 1_000
ATTEMPTS = 10
CAPPED_ATTEMPTS = 10
CATALOGUE_ATTEMPTS = 3
CATALOGUE_UNSTABLE_ATTEMPTS = 20
CATCH_UP_SECONDS = 120
WAIT_SECONDS = 0.5
NAMED_DOCUMENTS = 5

NAMESPACE_NOT_FOUND = 26
TAKES_TOO_LONG = {50, 43, 239}  # MaxTimeMSExpired, CursorNotFound, SnapshotTooOld
AGAIN = {
    72,  # InvalidOptions: "atClusterTime value must not be greater than the current clusterTime"
    134,  # ReadConcernMajorityNotAvailableYet
    175,  # QueryPlanKilled: the collection was renamed or one of its indexes was dropped
    246,  # SnapshotUnavailable: a change of the catalogue is younger than T
}


class _Smaller(Exception):
    """The range takes too long for the member's history."""


class _Again(Exception):
    """The same range may work at another T."""


class _MemberLost(Exception):
    """The member did not answer."""


class _Gone(Exception):
    """The collection has been dropped."""


class _Stopped(Exception):
    """The other side failed, or the step must end."""


@dataclass
class _Report:
    """What was found about one collection."""

    namespace: str
    documents: int = 0
    ranges: list[Json] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def as_json(self) -> Json:
        """Return the contract's form."""
        return {
            "namespace": self.namespace,
            "documents": self.documents,
            "ranges": self.ranges,
            "equal": not self.differences,
            "differences": self.differences,
        }


@dataclass(frozen=True)
class _Pair:
    """A collection on both sides, each with its own UUID."""

    namespace: str
    source: Binary | str
    head: Binary | str
    natural: bool


@dataclass(frozen=True)
class _Outcome:
    """A range that was compared at T; `upper` is where the next one begins, None at the end."""

    optime: OpTime
    documents: int
    upper: RawBSONDocument | None
    differences: tuple[str, ...] = ()


def budget_seconds(history_seconds: float) -> float:
    """Return how long a range may take at most, from a member's snapshot history. Pure."""
    return min(MOST_SECONDS, HISTORY_SHARE * history_seconds)


def next_size(size: int, elapsed_seconds: float, target_seconds: float) -> int:
    """Return how many documents the next range should have, from how long the last one took. Pure.

    It grows at most fourfold at a time, because documents further on may be larger.
    """
    factor = min(4.0, max(0.1, target_seconds / max(elapsed_seconds, 0.001)))
    return max(1, min(MOST_DOCUMENTS, int(size * factor)))


def validate(work: Work, level: str) -> Json:
    """Compare the backup with the source and return the report of the contract; `equal` says how it ended.

    `counts` reads every `_id`, `sample` reads random ranges, `digest` reads everything; indexes, options and views are always
    compared. `not_compared` says what could not be read: that is no difference, and no assurance either.

    Raises Transient (no member can be read, the head is too far behind), OperationFailed (there is something, and nothing could
    be compared), BadConfiguration (rights), Canceled, Shutdown.
    """
    if level not in LEVELS:
        raise OperationFailed(f"expected a level of {', '.join(LEVELS)}, found {level!r}; choose one of them")
    return _Validation(work, level).report()


class _Validation:
    """One run."""

    def __init__(self, work: Work, level: str) -> None:
        self._work, self._level = work, level
        self._size = FIRST_DOCUMENTS
        self._member = ""
        self._source: Client
        self._at: OpTime | None = None
        self._at_since = 0.0
        self._done, self._total = 0, 1
        self._not_compared: list[str] = []
        self._capped_pairs: list[_Pair] = []
        self._choose_member()

    # The whole --------------------------------------------------------------------------------------------------------

    def report(self) -> Json:
        """Compare everything."""
        pairs, catalogue, expected = self._catalogue()
        self._total = max(1, sum(map(self._estimate, pairs)))
        reports, gone = [], False
        for pair in pairs:
            report = _Report(pair.namespace)
            try:
                self._collection(pair, report)
            except _Gone:
                gone = True
                continue
            reports.append(report)
        for pair in self._capped_pairs:
            reports += self._capped(pair)
        if gone:  # whatever has been dropped must be gone from both sides
            catalogue = sorted({*catalogue, *self._catalogue()[1]})
        return self._summary(reports, catalogue, expected)

    def _summary(self, reports: list[_Report], catalogue: list[str], expected: int) -> Json:
        for report in reports:
            report.differences[:0] = [text for text in catalogue if text.startswith(f"{report.namespace}: ")]
        named = {text for report in reports for text in report.differences}
        differences = [text for text in catalogue if text not in named] + [t for r in reports for t in r.differences]
        if not reports and expected and not differences:
            raise OperationFailed(
                f"validation: expected some of {expected} collections to be compared, found none; validate again"
            )
        text = f"{len(reports)} collections compared with {self._member}, {len(differences)} differences"
        if self._not_compared:
            text += f"; not compared: {'; '.join(self._not_compared)}"
        if not reports and not expected:
            text = "nothing to compare: neither the source nor the backup has a collection"
        return {
            "equal": not differences,
            "level": self._level,
            "collections": [report.as_json() for report in reports],
            "compared": len(reports),
            "differences": differences,
            "not_compared": self._not_compared,
            "text": text,
        }

    def _estimate(self, pair: _Pair) -> int:
        database, collection = split(pair.namespace)
        return self._work.head.client[database][collection].estimated_document_count()

    # Members and times ------------------------------------------------------------------------------------------------

    def _choose_member(self) -> None:
        """Take a member; raises Transient when there is none after some time."""
        for attempt in range(ATTEMPTS):
            try:
                self._member = self._work.source_member()
                self._source = self._work.sources.client(self._member)
                self._budget = budget_seconds(_history(self._source))
                return
            except Transient:
                if attempt == ATTEMPTS - 1:
                    raise
                self._pause()

    def _pause(self) -> None:
        """Wait a little, with the head going on."""
        self._release()
        self._work.alive()
        time.sleep(WAIT_SECONDS)

    def _stand(self) -> OpTime:
        """Return the optime at which the head stands; a new one when the last is too old for another range."""
        if self._at is not None and time.monotonic() - self._at_since > WORK_SHARE * self._budget:
            self._release()
        if self._at is None:
            self._at = self._work.pause_at_latest()
            self._at_since = time.monotonic()
        return self._at

    def _release(self) -> None:
        """Let the head go on."""
        self._at = None
        self._work.apply_some()

    # Catalogue --------------------------------------------------------------------------------------------------------

    def _catalogue(self) -> tuple[list[_Pair], list[str], int]:
        """Compare options, indexes and views.

        Returns the collections that both sides have, what differs, and how many collections there are on either side. A
        namespace is compared when it was the same before and after the head was read; it differs when it did each time.
        """
        pending: set[str] | None = None
        strikes: dict[str, list[str]] = {}
        seen: dict[str, int] = {}
        for _ in range(CATALOGUE_UNSTABLE_ATTEMPTS):
            before, head, after = self._described()
            if pending is None:
                pending = {*before, *after, *head}
            for name in sorted(pending):
                if before.get(name) != after.get(name):
                    continue
                strikes[name] = (
                    manifest.compare_entries(before.get(name), head.get(name)) if name in {*before, *head} else []
                )
                seen[name] = seen.get(name, 0) + 1
                if not strikes[name] or seen[name] >= CATALOGUE_ATTEMPTS:
                    pending.discard(name)
            if not pending:
                break
            self._pause()
        found = [text for name in sorted(strikes) for text in strikes[name]]
        unstable = [
            f"{name}: its options and indexes changed each time they were read" for name in sorted(pending or ())
        ]
        self._not_compared = sorted({*self._not_compared, *unstable})
        self._capped_pairs = _pairs(after, head, capped=True)
        return _pairs(after, head, capped=False), found, _collections(after, head)

    def _described(self) -> tuple[dict[str, Entry], dict[str, Entry], dict[str, Entry]]:
        for _ in range(ATTEMPTS):
            try:
                before = manifest.describe(self._source)
                self._catch_up()
                head = manifest.describe(self._work.head.client)
                return before, head, manifest.describe(self._source)
            except PyMongoError as error:
                self._after(error)
        raise Transient(
            f"validation: expected the list of collections of {self._member}, found none in {ATTEMPTS} attempts"
        )

    def _after(self, error: PyMongoError) -> None:
        alive_or_transient(self._work.head)
        if isinstance(error, OperationFailure) and error.code in (AUTHENTICATION_FAILED, UNAUTHORIZED):
            raise _refused(error)
        if not isinstance(error, OperationFailure):
            self._work.sources.failed(self._member, error)
        self._pause()
        self._choose_member()

    def _catch_up(self) -> None:
        """Let the head reach what the member has applied by now, which its catalogue may show. Raises Transient."""
        status = asked("replSetGetStatus", lambda: self._source.admin.command("replSetGetStatus"))
        wanted = status["optimes"]["appliedOpTime"]["ts"]
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while self._stand().ts < wanted:
            if time.monotonic() > deadline:
                raise Transient(
                    f"validation: expected the head to reach {show(wanted)} within {CATCH_UP_SECONDS} s, "
                    f"found {show(self._stand().ts)}; validate when the backup lag is small"
                )
            self._release()
            self._work.alive()
            time.sleep(0.05)

    # Documents --------------------------------------------------------------------------------------------------------

    def _collection(self, pair: _Pair, report: _Report) -> None:
        estimate = self._estimate(pair)
        if self._level == "sample" and estimate > SAMPLE_RANGES * SAMPLE_DOCUMENTS:
            for lower in self._starts(pair):
                self._add(report, self._range(pair, lower, SAMPLE_DOCUMENTS), pair)
        else:
            for outcome in self._chain(pair):
                self._add(report, outcome, pair)
                if len(report.differences) >= NAMED_DOCUMENTS:
                    report.differences.append(
                        f"{pair.namespace}: not compared any further after {report.documents} documents"
                    )
                    break
        if self._level == "sample":
            self._done += estimate - report.documents

    def _capped(self, pair: _Pair) -> list[_Report]:
        """Compare a capped collection; a difference counts when it is seen again at another T."""
        report, strikes = _Report(pair.namespace), 0
        database, _ = split(pair.namespace)
        for _ in range(CAPPED_ATTEMPTS):
            optime = self._stand()
            here, there = Side(self._work.head.client, database, pair.head), Side(self._source, database, pair.source)
            try:
                found = validation_capped.compare(there, here, optime.ts, self._work.alive)
            except PyMongoError as error:
                if isinstance(error, OperationFailure) and error.code == NAMESPACE_NOT_FOUND:
                    return []
                self._after(error)
                continue
            if found is not None:
                report.documents, difference = found
                report.ranges = [{"optime": timestamp_json(optime.ts), "documents": report.documents}]
                strikes += 1
                if difference is None or strikes > 1:
                    report.differences = [f"{pair.namespace}: {difference}"] if difference else []
                    return [report]
            self._pause()
        self._not_compared.append(f"{pair.namespace}: a capped collection that was written to each time it was read")
        return []

    def _starts(self, pair: _Pair) -> Iterator[RawBSONDocument | None]:
        yield None
        where = manifest.side(self._work.head.client, pair.namespace)
        try:
            yield from digest.random_bounds(where, SAMPLE_RANGES - 1)
        except PyMongoError as error:
            alive_or_transient(self._work.head)
            raise Transient(f"validation: expected random documents of {pair.namespace}, found: {error}") from error

    def _chain(self, pair: _Pair) -> Iterator[_Outcome]:
        lower = None
        while True:
            outcome = self._range(pair, lower)
            yield outcome
            lower = outcome.upper
            if lower is None:
                return

    def _add(self, report: _Report, outcome: _Outcome, pair: _Pair) -> None:
        report.documents += outcome.documents
        report.ranges.append({"optime": timestamp_json(outcome.optime.ts), "documents": outcome.documents})
        report.differences += [f"{pair.namespace}: {text}" for text in outcome.differences]
        self._done += outcome.documents
        done, text = min(self._done, self._total), f"{pair.namespace}: {report.documents} documents"
        self._work.tick("validate", done, self._total, "documents", text)
        failpoints.reach("validation.range", namespace=pair.namespace, documents=report.documents)

    def _range(self, pair: _Pair, lower: RawBSONDocument | None, most: int | None = None) -> _Outcome:
        """Compare a range; one that differs is compared once more at another T."""
        outcome = self._attempted(pair, lower, most)
        if outcome.differences:
            self._pause()
            outcome = self._attempted(pair, lower, most)
        return outcome

    def _attempted(self, pair: _Pair, lower: RawBSONDocument | None, most: int | None) -> _Outcome:
        """Compare a range, again and smaller where the member asks for it. Raises Transient after several attempts."""
        last = ""
        for _ in range(ATTEMPTS):
            try:
                return self._compared(pair, lower, min(self._size, most or self._size))
            except _Smaller as signal:
                self._size, last = max(1, self._size // 4), f"{signal} (now at most {self._size} documents a range)"
                self._release()
            except _Again as signal:
                last = str(signal)
                self._pause()
            except _MemberLost as signal:
                last = str(signal)
                self._work.sources.failed(self._member)  # the set calls it healthy until a heartbeat is missed
                self._pause()
                self._choose_member()
        raise Transient(
            f"validation of {pair.namespace}: expected to read a range from {self._member}, found: {last}; it is tried again"
        )

    def _compared(self, pair: _Pair, lower: RawBSONDocument | None, size: int) -> _Outcome:
        optime = self._stand()
        began = time.monotonic()
        database, _ = split(pair.namespace)
        here = Side(self._work.head.client, database, pair.head, seconds=MOST_SECONDS, natural=pair.natural)
        there = Side(self._source, database, pair.source, optime.ts, self._budget, pair.natural)
        try:
            upper = digest.bound_after(here, lower, size)
        except PyMongoError as error:
            raise self._meaning(error, of_head=True) from error
        span = Span(lower, upper)
        # One more than the head has is enough to differ; without an upper bound the source could have any number.
        source, head = self._both(there, here, span, size + 1)
        found: tuple[str, ...] = ()
        if (source.documents, source.digest) != (head.documents, head.digest):
            found = self._name(there, here, span, source, head)
        elif source.documents >= size // 2 or source.documents == size:
            self._size = next_size(size, time.monotonic() - began, WORK_SHARE * self._budget)
        return _Outcome(optime, source.documents, upper, found)

    @property
    def _ids_only(self) -> bool:
        return self._level == "counts"

    def _both(self, there: Side, here: Side, span: Span, limit: int) -> tuple[Digest, Digest]:
        """Read both sides at the same time; the head stands still, because nothing here calls `apply_some`."""
        stop, deadline = threading.Event(), time.monotonic() + self._budget

        def each() -> None:
            if stop.is_set():
                raise _Stopped
            if time.monotonic() > deadline:
                raise _Smaller(f"a range took over {self._budget:.0f} s")

        with ThreadPoolExecutor(2) as pool:
            futures = [
                pool.submit(digest.read, side, span, ids_only=self._ids_only, limit=limit, each=each)
                for side in (there, here)
            ]
            try:
                while wait(futures, timeout=0.25).not_done:
                    self._work.alive()
                    if any(future.done() and future.exception() for future in futures):
                        stop.set()
            finally:
                stop.set()
        errors = [(future.exception(), future is futures[1]) for future in futures]
        for error, of_head in sorted(errors, key=lambda pair: isinstance(pair[0], _Stopped)):
            if error is not None:
                raise self._meaning(error, of_head) from error
        return futures[0].result(), futures[1].result()

    def _name(self, there: Side, here: Side, span: Span, source: Digest, head: Digest) -> tuple[str, ...]:
        """Name the first documents that differ, while both sides still show T; the range is one difference otherwise."""
        try:
            named = digest.differences(
                there, here, span, most=NAMED_DOCUMENTS, ids_only=self._ids_only, each=self._work.alive
            )
        except PyMongoError:
            named = []
        if named:
            return tuple(_sentence(difference) for difference in named)
        return (
            f"expected digest {source.digest[:16]} ({source.documents} documents), found {head.digest[:16]} ({head.documents})",
        )

    def _meaning(self, error: BaseException, of_head: bool) -> BaseException:
        """Return what is to be done about an error of a side."""
        if not isinstance(error, PyMongoError):
            return error
        if isinstance(error, OperationFailure):
            text = str((error.details or {}).get("errmsg", error))[:200]
            if error.code == NAMESPACE_NOT_FOUND:
                return _Gone(text)
            if error.code in TAKES_TOO_LONG:
                return _Smaller(text)
            if error.code in AGAIN:
                return _Again(text)
            if error.code in (AUTHENTICATION_FAILED, UNAUTHORIZED) and not of_head:
                return _refused(error)
        if of_head:
            alive_or_transient(self._work.head)
            return Transient(f"validation: expected the head to be read, found: {str(error)[:200]}; it is tried again")
        return _MemberLost(str(error)[:200])


def _sentence(difference: digest.Difference) -> str:
    where = {
        "missing": "expected it, found none in the backup",
        "extra": "expected none, found one in the backup",
        "changed": "expected the source's bytes, found others in the backup",
    }
    return f"document _id {difference.id}: {where[difference.kind]}"


def _refused(error: PyMongoError) -> AgentError:
    return BadConfiguration(
        f"validation: the source refuses to be read ({str(error)[:200]}); "
        "grant the user the roles backup and clusterMonitor on admin"
    )


def _history(client: Client) -> float:
    """Return for how many seconds a member keeps old versions; 300, the default, when it does not say."""
    try:
        found = client.admin.command("getParameter", 1, minSnapshotHistoryWindowInSeconds=1)
    except OperationFailure:
        return DEFAULT_HISTORY_SECONDS
    except PyMongoError as error:
        raise Transient(f"validation: expected an answer from the member, found: {str(error)[:200]}") from error
    return float(found["minSnapshotHistoryWindowInSeconds"])


def _pairs(source: dict[str, Entry], head: dict[str, Entry], capped: bool) -> list[_Pair]:
    pairs = []
    for name in sorted({*source} & {*head}):
        there, here = source[name], head[name]
        if (there.kind, here.kind) == (COLLECTION, COLLECTION) and there.capped is capped:
            plain = split(name)[1]
            pairs.append(_Pair(name, there.uuid or plain, here.uuid or plain, there.natural))
    return pairs


def _collections(source: dict[str, Entry], head: dict[str, Entry]) -> int:
    return len({entry.namespace for entry in [*source.values(), *head.values()] if entry.kind == COLLECTION})
