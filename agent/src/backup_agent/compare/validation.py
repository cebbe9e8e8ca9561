"""Validation: the head against the source, collection by collection and `_id` range by range.

For each range the head stands still at an optime T and the source is read as it was at T, so writes that go on meanwhile are no
differences. Collections are addressed by UUID, so a rename or a drop meanwhile is none either. A difference counts when it is
seen again at another T.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from backup_agent import failpoints
from backup_agent.compare import manifest
from backup_agent.compare.digest import Side
from backup_agent.compare.manifest import COLLECTION, Entry
from backup_agent.compare.ranges import NAMED_DOCUMENTS, NAMESPACE_NOT_FOUND, Gone, Outcome, Ranges, compare_capped
from backup_agent.compare.sides import ATTEMPTS, Pair, Sides
from backup_agent.errors import OperationFailed, Transient
from backup_agent.namespaces import split
from backup_agent.state.work import Work
from backup_agent.values import Record

LEVELS = ("counts", "sample", "digest")

SAMPLE_RANGES = 5
SAMPLE_DOCUMENTS = 1_000
CAPPED_ATTEMPTS = 10
CATALOGUE_ATTEMPTS = 3
CATALOGUE_UNSTABLE_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Range(Record):
    """A part of a collection that was compared at one optime."""

    optime: Timestamp
    documents: int


@dataclass(slots=True)
class Compared(Record):
    """What was found about one collection, which grows with each range."""

    DERIVED: ClassVar = ("equal",)

    namespace: str
    documents: int = 0
    ranges: list[Range] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def add(self, outcome: Outcome) -> None:
        """Count a range that was compared."""
        self.documents += outcome.documents
        self.ranges.append(Range(outcome.optime.ts, outcome.documents))
        self.differences += [f"{self.namespace}: {text}" for text in outcome.differences]


@dataclass(frozen=True, slots=True)
class Validation(Record):
    """The report of a validation: `not_compared` says what could not be read, which is no difference, and no assurance either."""

    equal: bool
    level: str
    collections: tuple[Compared, ...]
    compared: int
    differences: tuple[str, ...]
    not_compared: tuple[str, ...]
    text: str


def validate(work: Work, level: str) -> Validation:
    """Compare the backup with the source; `equal` of the report says how it ended.

    `counts` reads every `_id`, `sample` reads random ranges, `digest` reads everything; indexes, options and views are always
    compared.

    Raises Transient (no member can be read, the head is too far behind), OperationFailed (there is something, and nothing could
    be compared), BadConfiguration (rights), Canceled, Shutdown.
    """
    if level not in LEVELS:
        raise OperationFailed(f"expected a level of {', '.join(LEVELS)}, found {level!r}; choose one of them")
    return _Run(work, level).report()


class _Run:
    """One validation."""

    def __init__(self, work: Work, level: str) -> None:
        self._work, self._level = work, level
        self._sides = Sides(work)
        self._ranges = Ranges(self._sides, ids_only=level == "counts")
        self._done, self._total = 0, 1
        self._not_compared: list[str] = []

    # The whole --------------------------------------------------------------------------------------------------------

    def report(self) -> Validation:
        """Compare everything."""
        found = self._catalogue()
        self._total = max(1, sum(map(self._estimate, found.pairs)))
        reports, gone = [], False
        for pair in found.pairs:
            report = Compared(pair.namespace)
            try:
                self._collection(pair, report)
            except Gone:
                gone = True
                continue
            reports.append(report)
        for pair in found.capped:
            reports += self._capped(pair)
        differences = found.differences
        if gone:  # everything that has been dropped must be gone from both sides
            differences = sorted({*differences, *self._catalogue().differences})
        return self._summary(reports, differences, found.collections)

    def _summary(self, reports: list[Compared], catalogue: list[str], expected: int) -> Validation:
        for report in reports:
            report.differences[:0] = [text for text in catalogue if text.startswith(f"{report.namespace}: ")]
        named = {text for report in reports for text in report.differences}
        differences = [text for text in catalogue if text not in named] + [t for r in reports for t in r.differences]
        if not reports and expected and not differences:
            raise OperationFailed(
                f"validation: expected some of {expected} collections to be compared, found none; validate again"
            )
        text = f"{len(reports)} collections compared with {self._sides.member}, {len(differences)} differences"
        if self._not_compared:
            text += f"; not compared: {'; '.join(self._not_compared)}"
        if not reports and not expected:
            text = "nothing to compare: neither the source nor the backup has a collection"
        return Validation(
            equal=not differences,
            level=self._level,
            collections=tuple(reports),
            compared=len(reports),
            differences=tuple(differences),
            not_compared=tuple(self._not_compared),
            text=text,
        )

    def _estimate(self, pair: Pair) -> int:
        database, collection = split(pair.namespace)
        return self._sides.head[database][collection].estimated_document_count()

    # Catalogue --------------------------------------------------------------------------------------------------------

    def _catalogue(self) -> _Catalogue:
        """Compare options, indexes and views.

        A namespace is compared when it was the same before and after the head was read; it differs when it did each time.
        """
        strikes = _Strikes()
        for _ in range(CATALOGUE_UNSTABLE_ATTEMPTS):
            before, head, after = self._described()
            if strikes.settled(before, head, after):
                break
            self._sides.pause()
        unstable = [f"{name}: its options and indexes changed each time they were read" for name in strikes.pending]
        refused = [f"{e.namespace}: index {name}, which the head refused" for e in head.values() for name in e.refused]
        self._not_compared = sorted({*self._not_compared, *unstable, *refused})
        return _Catalogue(after, head, strikes.differences)

    def _described(self) -> tuple[dict[str, Entry], dict[str, Entry], dict[str, Entry]]:
        for _ in range(ATTEMPTS):
            try:
                before = manifest.describe(self._sides.source)
                self._sides.catch_up()
                head = manifest.describe(self._sides.head, head=True)
                return before, head, manifest.describe(self._sides.source)
            except PyMongoError as error:
                self._sides.recover(error)
        raise Transient(
            f"validation: expected the list of collections of {self._sides.member}, found none in {ATTEMPTS} attempts"
        )

    # Documents --------------------------------------------------------------------------------------------------------

    def _collection(self, pair: Pair, report: Compared) -> None:
        estimate = self._estimate(pair)
        sampled = self._level == "sample" and estimate > SAMPLE_RANGES * SAMPLE_DOCUMENTS
        for outcome in self._sample(pair) if sampled else self._ranges.chain(pair):
            self._add(report, outcome)
            if not sampled and len(report.differences) >= NAMED_DOCUMENTS:
                report.differences.append(
                    f"{pair.namespace}: not compared any further after {report.documents} documents"
                )
                break
        if self._level == "sample":
            self._done += estimate - report.documents

    def _sample(self, pair: Pair) -> Iterator[Outcome]:
        for lower in self._ranges.starts(pair, SAMPLE_RANGES):
            yield self._ranges.compare(pair, lower, SAMPLE_DOCUMENTS)

    def _add(self, report: Compared, outcome: Outcome) -> None:
        report.add(outcome)
        self._done += outcome.documents
        done, text = min(self._done, self._total), f"{report.namespace}: {report.documents} documents"
        self._work.tick("validate", done, self._total, "documents", text)
        failpoints.reach("validation.range", namespace=report.namespace, documents=report.documents)

    def _capped(self, pair: Pair) -> list[Compared]:
        """Compare a capped collection; a difference counts when it is seen again at another T."""
        differed = False
        database, _ = split(pair.namespace)
        for _ in range(CAPPED_ATTEMPTS):
            optime = self._sides.stand()
            here, there = Side(self._sides.head, database, pair.head), Side(self._sides.source, database, pair.source)
            try:
                outcome = compare_capped(there, here, optime, self._work.alive)
            except PyMongoError as error:
                if isinstance(error, OperationFailure) and error.code == NAMESPACE_NOT_FOUND:
                    return []
                self._sides.recover(error)
                continue
            if outcome is not None and (differed or not outcome.differences):
                report = Compared(pair.namespace)
                report.add(outcome)
                return [report]
            differed = differed or outcome is not None
            self._sides.pause()
        self._not_compared.append(f"{pair.namespace}: a capped collection that was written to each time it was read")
        return []


class _Strikes:
    """How often each namespace differed; one is settled when it was equal once, or differed each time it could be compared."""

    def __init__(self) -> None:
        self._pending: set[str] | None = None
        self._found: dict[str, list[str]] = {}
        self._seen: dict[str, int] = {}

    def settled(self, before: dict[str, Entry], head: dict[str, Entry], after: dict[str, Entry]) -> bool:
        """Compare what is not settled yet; returns whether everything is now."""
        if self._pending is None:
            self._pending = {*before, *after, *head}
        for name in self.pending:
            if before.get(name) == after.get(name) and self._compared(name, before.get(name), head.get(name)):
                self._pending.discard(name)
        return not self._pending

    def _compared(self, name: str, source: Entry | None, head: Entry | None) -> bool:
        self._found[name] = manifest.compare_entries(source, head)
        self._seen[name] = self._seen.get(name, 0) + 1
        return not self._found[name] or self._seen[name] >= CATALOGUE_ATTEMPTS

    @property
    def pending(self) -> list[str]:
        """The namespaces that are not settled."""
        return sorted(self._pending or ())

    @property
    def differences(self) -> list[str]:
        """A sentence for each thing that differs."""
        return [text for name in sorted(self._found) for text in self._found[name]]


class _Catalogue:
    """What both sides have, and what differs in their options, indexes and views."""

    def __init__(self, source: dict[str, Entry], head: dict[str, Entry], differences: list[str]) -> None:
        self.differences = differences
        self.pairs, self.capped = _pairs(source, head, capped=False), _pairs(source, head, capped=True)
        self.collections = len({e.namespace for e in [*source.values(), *head.values()] if e.kind == COLLECTION})
        """How many collections there are on either side."""


def _pairs(source: dict[str, Entry], head: dict[str, Entry], capped: bool) -> list[Pair]:
    pairs = []
    for name in sorted({*source} & {*head}):
        there, here = source[name], head[name]
        if (there.kind, here.kind) == (COLLECTION, COLLECTION) and there.capped is capped:
            plain = split(name)[1]
            pairs.append(Pair(name, there.uuid or plain, here.uuid or plain, there.natural))
    return pairs
