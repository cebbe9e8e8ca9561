# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many bytes each bucket of an oplog holds, by what was read of it. Pure: samples and sums in, guesses out.

Three kinds of evidence are put together, the better one first:

* a bucket that was read as a whole is known;
* slices of a bucket, a few seconds here and there, are even where writes are, and miss what happens in one second of each minute;
* random entries of the whole oplog. WiredTiger's random cursor takes a random page and then a random entry of it, so that a
  sampled entry stands for a page of bytes, or for itself where it is larger than a page: an entry of 16 MB among small ones is
  sampled as often as a page of a hundred of them. A sample of the sizes alone is off by orders of magnitude then. Neither are
  pages equally likely where the tree is not balanced, so the sample only counts against slices once it was proven right.

The bytes that an entry has beyond a few pages (the excess) are counted apart from the others, because a few seconds say a lot
about the many small entries and next to nothing about some very large ones. Those are put together from slices and sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from .write_rate import Grid, percentile

#: WiredTiger's pages for collections hold about this much (`leaf_page_max`).
PAGE_BYTES = 32 * 1024
#: What an entry has beyond this is its excess. An entry of this size certainly has a page of its own.
CAP_BYTES = 8 * PAGE_BYTES

#: From so many standard deviations on, sample and slices contradict each other.
_CONTRADICTION = 3.5
#: A guess that is sure to this part of the percentile is good enough.
_GOOD_ENOUGH = 0.04
#: Slices that are as unsure as this part of what they say are worth less than a sample.
_USELESS = 0.5
#: How many of the busiest buckets are made sure of, for the peak.
_BUSIEST = 4
#: How many buckets have to be known before the sample is called better than the slices.
_ENOUGH_KNOWN = 3


@dataclass(frozen=True)
class Slice:
    """Some seconds of a bucket: what all entries hold up to `CAP_BYTES` each, and what goes beyond."""

    seconds: int
    capped: float
    excess: float
    entries: int = 0


@dataclass(frozen=True)
class Guess:
    """The bytes of a bucket, and by how much they may be wrong (standard deviation)."""

    size: float
    deviation: float = 0.0


@dataclass
class _Sampled:
    """What the sample has of one bucket."""

    entries: int = 0
    #: The bytes that these stand for, without the excess.
    weight: float = 0.0
    excess: float = 0.0
    squared_excess: float = 0.0


@dataclass
class Estimate:
    """What is known of every bucket of an oplog of `total` bytes."""

    grid: Grid
    total: float
    known: dict[int, float] = field(default_factory=dict)
    sampled_entries: int = 0
    _weight: float = 0.0
    _sampled: dict[int, _Sampled] = field(default_factory=dict)
    _slices: dict[int, list[Slice]] = field(default_factory=dict)

    def add_sample(self, entries: Iterable[tuple[int, int]]) -> None:
        """Take sampled entries, each as its second and its size in bytes."""
        for second, size in entries:
            found = self._sampled.setdefault(self.grid.index(second), _Sampled())
            weight, excess = max(PAGE_BYTES, min(size, CAP_BYTES)), max(0, size - CAP_BYTES)
            found.entries += 1
            found.weight += weight
            found.excess += excess
            found.squared_excess += excess**2
            self.sampled_entries += 1
            self._weight += weight + excess

    def add_slices(self, index: int, slices: Sequence[Slice], also: bool = False) -> None:
        """Take the slices of a bucket, instead of the earlier ones or beside them; together they may be all of it."""
        if also:
            slices = [*self._slices.get(index, ()), *slices]
        if sum(piece.seconds for piece in slices) >= self.grid.length(index):
            self.known[index] = sum(piece.capped + piece.excess for piece in slices)
        else:
            self._slices[index] = list(slices)

    def guesses(self) -> list[Guess]:
        """Return the guess of every bucket; of one that nothing is known of, the mean of the others."""
        found = _shrunk(self._evidence(), [self.grid.length(index) for index in range(self.grid.count)])
        return [Guess(self.known[index]) if index in self.known else guess for index, guess in enumerate(found)]

    def found(self) -> float:
        """Return the part of all bytes that the guesses add up to; much less than 1 means that something large was missed."""
        return sum(guess.size for guess in self.guesses()) / self.total if self.total else 1.0

    def unsure(self, percent: float = 95) -> float:
        """Return how uncertain the percentile is, as a part of it: by the buckets around it."""
        rates = [(self._rate(i, guess.size), self._rate(i, guess.deviation)) for i, guess in enumerate(self.guesses())]
        limit = percentile([rate for rate, deviation in rates], percent)
        around = sorted(rates, key=lambda found: abs(found[0] - limit))[: max(1, len(rates) // 20)]
        return median(deviation for rate, deviation in around) / limit if limit else 0.0

    def undecided(self, percent: float = 95) -> list[int]:
        """Return the buckets to read more of, the most telling first.

        Those are a few where sample and slices contradict each other, the ones that may be on either side of the percentile, and
        the busiest, unless they are known well enough.
        """
        guesses = self.guesses()
        limit = percentile([self._rate(index, guess.size) for index, guess in enumerate(guesses)], percent)
        unsure = [
            index for index, guess in enumerate(guesses) if self._rate(index, guess.deviation) > _GOOD_ENOUGH * limit
        ]
        by_size = sorted(range(len(guesses)), key=lambda i: -(guesses[i].size + 2 * guesses[i].deviation))[:_BUSIEST]
        busiest = [index for index in by_size if guesses[index].deviation > _GOOD_ENOUGH * guesses[index].size]

        def distance(index: int) -> float:
            rate, deviation = (self._rate(index, value) for value in (guesses[index].size, guesses[index].deviation))
            return abs(rate - limit) / deviation

        near = sorted((index for index in unsure if distance(index) < 3), key=distance)
        return list(dict.fromkeys([*self._to_prove(), *near[:_BUSIEST], *busiest, *near]))

    def _rate(self, index: int, size: float) -> float:
        return size / self.grid.length(index)

    def _of(self, index: int) -> _Sampled:
        return self._sampled.get(index, _Sampled())

    def _scale(self) -> float:
        """Return how many bytes of the oplog a sampled byte stands for."""
        return self.total / self._weight if self._weight else 0.0

    def _chance(self) -> float:
        """Return how likely an entry larger than a page is in the sample; the server returns none twice."""
        scale = self._scale()
        return 1 - math.exp(-1 / scale) if scale else 0.0

    def _evidence(self) -> list[Guess | None]:
        """Return what there is for every bucket: slices, unless they say next to nothing or the sample was proven right."""
        proven = self._sample_was_right()
        found: list[Guess | None] = []
        for index in range(self.grid.count):
            sampled = self._by_sample(index) if self._sampled else None
            sliced = self._by_slices(index) if index in self._slices else None
            if sliced and sampled and (proven or sliced.deviation > _USELESS * sliced.size):
                worse = sliced.deviation > sampled.deviation or self._contradicted(index)
                sliced = None if worse else sliced
            found.append(Guess(self.known[index]) if index in self.known else sliced or sampled)
        return found

    def _by_sample(self, index: int) -> Guess:
        scale, chance, own = self._scale(), self._chance(), self._of(index)
        # Chance gives a bucket few entries as easily as many: the number that is usual says more about its size than its own.
        usual = max(own.entries, self.sampled_entries / self.grid.count)
        page = max(PAGE_BYTES, own.weight / own.entries) if own.entries else PAGE_BYTES
        deviation = math.sqrt(usual * (scale * page) ** 2 + _excess_variance(own.squared_excess, chance))
        return Guess(scale * own.weight + own.excess / chance, deviation)

    def _by_slices(self, index: int) -> Guess:
        """Return the guess by the slices: the excess from them and the sample, the rest from them alone."""
        slices, own = self._slices[index], self._of(index)
        part = sum(piece.seconds for piece in slices) / self.grid.length(index)
        chance = part + self._chance()
        excess = (sum(piece.excess for piece in slices) + own.excess) / chance
        squared = sum(piece.excess**2 for piece in slices) + own.squared_excess
        capped = sum(piece.capped for piece in slices) / part
        # Six values say little about their spread, and entries that come by chance vary by the root of their number at least.
        entries = sum(piece.entries for piece in slices)
        least = 1 / math.sqrt(entries) if entries else 0.0
        error = max(least, _relative_error([piece.capped / piece.seconds for piece in slices])) * capped
        return Guess(capped + excess, math.sqrt(error**2 * (1 - part) + _excess_variance(squared, chance)))

    def _contradicted(self, index: int) -> bool:
        """Say whether the slices have far more or less than the sample, which is spread over all of the bucket."""
        if not self._sampled:
            return False
        found, scale = self._of(index), self._scale()
        page = PAGE_BYTES * scale
        part = sum(piece.seconds for piece in self._slices[index]) / self.grid.length(index)
        expected = sum(piece.capped for piece in self._slices[index]) / part / page
        spread = math.sqrt(max(found.entries, expected, 1.0) + (self._by_slices(index).deviation / page) ** 2)
        return abs(found.weight / PAGE_BYTES - expected) > _CONTRADICTION * spread

    def _to_prove(self) -> list[int]:
        """Return the buckets that would tell whether the sample is right where it contradicts the slices."""
        contradicted = [index for index in self._slices if self._contradicted(index)]
        missing = _ENOUGH_KNOWN - sum(index in self.known for index in contradicted)
        unknown = [index for index in contradicted if index not in self.known]
        return unknown[: max(0, missing)] if len(contradicted) > _ENOUGH_KNOWN else []

    def _sample_was_right(self) -> bool:
        """Say whether the sample was closer than the slices in the known buckets where they contradict each other."""
        checked = [i for i in self._slices if self.known.get(i) and self._contradicted(i)]
        if len(checked) < _ENOUGH_KNOWN:
            return False
        by_slices = median(_distance(self._by_slices(index).size, self.known[index]) for index in checked)
        by_sample = median(_distance(self._by_sample(index).size, self.known[index]) for index in checked)
        return by_sample < by_slices


def _excess_variance(squared: float, chance: float) -> float:
    """Return the variance of an estimate from entries that were found with this chance each (Horvitz and Thompson, 1952)."""
    return squared * max(0.0, 1 - chance) / chance**2


def _distance(guess: float, known: float) -> float:
    return abs(math.log(max(guess, 1.0) / known))


def _relative_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean of some values, relative to it; of less than two it is as large as they are."""
    mean = sum(values) / len(values)
    if not mean or len(values) < 2:
        return 1.0
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance / len(values)) / mean


def _shrunk(evidence: Sequence[Guess | None], lengths: Sequence[int]) -> list[Guess]:
    """Return the guesses without the part of their spread that is only chance, by the rates.

    Without this the busiest twentieth of equal buckets looks busy. It is empirical Bayes, constrained so that the spread that is
    left is the real one (after Louis, 1984); a guess is moved by two of its deviations at most (after Efron and Morris, 1972), so
    that one that stands out and is sure stays where it is.
    """
    rates = [(guess.size / length, guess.deviation / length) for guess, length in zip(evidence, lengths) if guess]
    if not rates:
        return [Guess(0.0)] * len(lengths)
    mean = sum(rate for rate, deviation in rates) / len(rates)
    spread = sum((rate - mean) ** 2 for rate, deviation in rates) / len(rates)
    real = max(0.0, spread - sum(deviation**2 for rate, deviation in rates) / len(rates))
    found = []
    for guess, length in zip(evidence, lengths):
        if guess is None:
            found.append(Guess(mean * length, max(mean, math.sqrt(spread)) * length))
            continue
        rate, deviation = guess.size / length, guess.deviation / length
        kept = math.sqrt(real / (real + deviation**2)) if deviation else 1.0
        moved = min(2 * deviation, max(-2 * deviation, (1 - kept) * (mean - rate)))
        found.append(Guess((rate + moved) * length, max(kept, 0.5) * deviation * length))
    return found
