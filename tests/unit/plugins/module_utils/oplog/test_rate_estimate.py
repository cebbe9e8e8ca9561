# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guesses from slices and samples of oplogs that are made up here. Real ones: tests/integration/test_write_rate.py."""

from __future__ import annotations

import random

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_estimate import (
    CAP_BYTES,
    PAGE_BYTES,
    Estimate,
    Slice,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.write_rate import Grid, percentile

BUCKETS, LENGTH = 200, 300


def estimate(total: float, buckets: int = BUCKETS) -> Estimate:
    """Return an estimate of an oplog of so many bytes, of which nothing was read yet."""
    return Estimate(Grid(0, LENGTH * buckets - 1, LENGTH), total)


def oplog(chance: random.Random, per_second: list[float], size: int = 300) -> list[int]:
    """Return the bytes written in each second, by the number of entries that is usual in it."""
    entries = [int(rate) + (chance.random() < rate % 1) for rate in per_second]
    return [size * count for count in entries]


def read_slices(found: Estimate, written: list[int], chance: random.Random, seconds: int = 5) -> None:
    """Read six slices of every bucket."""
    stretch = LENGTH // 6
    for index in range(found.grid.count):
        starts = [index * LENGTH + n * stretch + chance.randrange(stretch - seconds) for n in range(6)]
        sums = [sum(written[at : at + seconds]) for at in starts]
        found.add_slices(index, [Slice(seconds, float(size), 0.0) for size in sums])


def read_sample(found: Estimate, written: list[int], chance: random.Random, entries: int) -> None:
    """Sample entries as the server does where all are small: a second is hit the more often, the more bytes it has."""
    found.add_sample((second, 300) for second in chance.choices(range(len(written)), written, k=entries))


def read_whole(found: Estimate, written: list[int], buckets: list[int]) -> None:
    """Read all of some buckets."""
    for index in buckets:
        found.add_slices(index, [Slice(LENGTH, float(sum(written[index * LENGTH : (index + 1) * LENGTH])), 0.0)])


def errors(found: Estimate, written: list[int]) -> tuple[float, float]:
    """Return by which part the 95th percentile and the sum are off."""
    exact = [float(sum(written[at : at + LENGTH])) for at in range(0, len(written), LENGTH)]
    guessed = [guess.size for guess in found.guesses()]
    return percentile(guessed, 95) / percentile(exact, 95) - 1, sum(guessed) / sum(exact) - 1


class TestSlices:
    def test_steady_writes(self) -> None:
        """Slices of a tenth of all seconds give everything to a few percent, and no bucket is left to decide."""
        chance = random.Random(1)
        written = oplog(chance, [40.0] * BUCKETS * LENGTH)
        found = estimate(sum(written))
        read_slices(found, written, chance)
        assert [0, 0] == pytest.approx(errors(found, written), abs=0.03)
        assert [] == found.undecided()
        assert found.unsure() < 0.04
        assert found.found() == pytest.approx(1, abs=0.02)

    def test_busy_buckets_stay_busy(self) -> None:
        """A tenth of the buckets is ten times as busy: that is no chance."""
        chance = random.Random(2)
        written = oplog(chance, [400.0 if at // LENGTH % 10 == 0 else 40.0 for at in range(BUCKETS * LENGTH)])
        found = estimate(sum(written))
        read_slices(found, written, chance)
        assert [0, 0] == pytest.approx(errors(found, written), abs=0.03)

    def test_writes_in_one_second_of_each_minute(self) -> None:
        """Some slices hit that second and most do not. That makes no bucket busy, and what decides is not known for sure."""
        chance = random.Random(3)
        written = oplog(chance, [600.0 if at % 60 == 0 else 1.0 for at in range(BUCKETS * LENGTH)])
        found = estimate(sum(written))
        read_slices(found, written, chance)
        raw = max(guess.size for guess in (found._by_slices(index) for index in range(BUCKETS)))
        assert raw > 3 * sum(written) / BUCKETS
        assert errors(found, written)[0] < 0.6
        assert found.undecided()
        assert found.unsure() > 0.1

    def test_all_of_a_bucket(self) -> None:
        """Slices that make up the whole bucket are exact, also where nothing was written."""
        found = estimate(1000.0, 2)
        found.add_slices(0, [Slice(150, 10.0, 5.0), Slice(150, 20.0, 0.0)])
        found.add_slices(1, [Slice(300, 0.0, 0.0)])
        assert [(35.0, 0.0), (0.0, 0.0)] == [(guess.size, guess.deviation) for guess in found.guesses()]

    def test_slices_come_beside_the_earlier_ones(self) -> None:
        """What is read in two goes is as good as in one; longer slices take the place of shorter ones."""
        found, at_once = estimate(1000.0, 1), estimate(1000.0, 1)
        slices = [Slice(10, float(size), 0.0, 20) for size in (20, 30, 40, 50)]
        found.add_slices(0, slices[:2])
        found.add_slices(0, slices[2:], also=True)
        at_once.add_slices(0, slices)
        assert at_once.guesses() == found.guesses()
        found.add_slices(0, [Slice(300, 900.0, 0.0)])
        assert [900.0] == [guess.size for guess in found.guesses()]

    def test_a_bucket_that_there_was_no_time_for(self) -> None:
        """It is taken for one like the others, and for one of which little is known."""
        found = estimate(900.0, 3)
        found.add_slices(0, [Slice(300, 200.0, 0.0)])
        found.add_slices(1, [Slice(300, 400.0, 0.0)])
        assert 300.0 == found.guesses()[2].size
        assert found.guesses()[2].deviation >= 300.0

    def test_nothing_read(self) -> None:
        """No division by zero for an oplog that gave nothing."""
        found = estimate(0.0, 2)
        assert [0.0, 0.0] == [guess.size for guess in found.guesses()]
        assert ([], 1.0, 0.0) == (found.undecided(), found.found(), found.unsure())


class TestSample:
    def test_chance_alone_makes_no_busy_times(self) -> None:
        """Equal buckets, sampled 30 times each on average, would look a third busier at the 95th percentile."""
        chance = random.Random(4)
        written = oplog(chance, [40.0] * BUCKETS * LENGTH)
        found = estimate(sum(written))
        read_sample(found, written, chance, 6000)
        raw = percentile([found._by_sample(index).size for index in range(BUCKETS)], 95)
        assert raw > 1.2 * sum(written) / BUCKETS
        assert [0, 0] == pytest.approx(errors(found, written), abs=0.1)

    def test_slices_that_miss_the_writes_are_found_out(self) -> None:
        """The sample, spread over all of a bucket, knows of the second in which everything happens; three buckets prove it."""
        chance = random.Random(5)
        written = oplog(chance, [600.0 if at % 60 == 0 else 1.0 for at in range(BUCKETS * LENGTH)])
        found = estimate(sum(written))
        read_slices(found, written, chance)
        read_sample(found, written, chance, 6000)
        assert sum(found._contradicted(index) for index in range(BUCKETS)) > BUCKETS / 3
        before = errors(found, written)
        proof = found.undecided()[:3]
        assert all(found._contradicted(index) for index in proof)
        read_whole(found, written, proof)
        assert [0, 0] == pytest.approx(errors(found, written), abs=0.15)
        assert abs(before[1]) > 0.3

    def test_slices_that_are_right_are_believed(self) -> None:
        """Where pages hold more, or the tree is not balanced, the sample is off by a factor: it needs a proof, and gets none."""
        chance = random.Random(6)
        written = oplog(chance, [160.0 if at // LENGTH % 10 == 0 else 40.0 for at in range(BUCKETS * LENGTH)])
        found = estimate(sum(written))
        read_slices(found, written, chance, 10)
        read_sample(found, [300 * 40] * len(written), chance, 20_000)
        assert sum(found._contradicted(index) for index in range(BUCKETS)) > 10
        assert [0, 0] == pytest.approx(errors(found, written), abs=0.05)
        read_whole(found, written, found.undecided()[:3])
        assert [0, 0] == pytest.approx(errors(found, written), abs=0.05)

    def test_a_large_entry_stands_for_itself(self) -> None:
        """And a small one for a page, because that is what the server picked: the sizes alone would give the first 99.9 %."""
        found = estimate(1e9, 2)
        found.add_sample([(10, 300)] * 512)
        found.add_sample([(310, 16 * 1024 * 1024)])
        first, second = (found._by_sample(index).size for index in (0, 1))
        assert second / (first + second) == pytest.approx(0.5, abs=0.01)
        assert 16 * 1024 * 1024 == 512 * PAGE_BYTES

    def test_excess_is_put_together(self) -> None:
        """An entry that the slices missed is known from the sample, and one that is in both counts by the chance of both."""
        found = estimate(100e6, 1)
        found.add_sample([(0, 300)] * 100 + [(0, CAP_BYTES + 1_000_000)])
        found.add_slices(0, [Slice(15, 1000.0, 0.0), Slice(15, 1000.0, 0.0)])
        chance = 0.1 + found._chance()
        assert found._by_slices(0).size == pytest.approx(20_000 + 1_000_000 / chance)


class TestUndecided:
    def test_few_entries_are_never_sure(self) -> None:
        """Six slices that happen to be alike have no spread, and the four entries in them prove nothing."""
        found = estimate(1e6, 2)
        found.add_slices(0, [Slice(10, 100.0, 0.0, 2), Slice(10, 100.0, 0.0, 2)])
        assert found._by_slices(0).deviation == pytest.approx(0.5 * 3000 * (1 - 20 / 300) ** 0.5)

    def test_the_percentile_and_the_peak_come_first(self) -> None:
        """The busiest is among the first that are read; buckets far from the percentile are nobody's concern."""
        found = estimate(1e6, 100)
        for index in range(100):
            size = 9000.0 if index == 7 else 1000.0 if index < 10 else 10.0
            found.add_slices(index, [Slice(10, 0.9 * size, 0.0), Slice(10, 1.1 * size, 0.0)])
        order = found.undecided()
        assert 7 in order[:8]
        assert set(range(10)) == set(order)

    def test_what_was_read_is_decided(self) -> None:
        """The reading comes to an end."""
        found = estimate(1e6, 20)
        for index in range(20):
            found.add_slices(index, [Slice(10, 100.0, 0.0), Slice(10, 200.0, 0.0)])
        assert set(range(20)) >= set(found.undecided()) > set()
        for index in range(20):
            found.add_slices(index, [Slice(LENGTH, 4500.0 + index, 0.0)])
        assert [] == found.undecided()
