from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bson.timestamp import Timestamp

from lab.__main__ import parse_timestamp
from lab.background import format_mix, parse_mix, read_counts
from lab.rollover import Progress
from lab.writer import Pace, Report

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mix_survives_the_command_line() -> None:
    """What the class passes to its process is what the process reads."""
    mix = {"insert": 60, "update": 30, "transaction": 9, "index": 1}

    assert parse_mix(format_mix(mix)) == mix


@pytest.mark.parametrize("text", ["", "insert", "insert=x", "upsert=5", "insert=0", "insert=-1"])
def test_a_wrong_mix_is_refused(text: str) -> None:
    """A kind that does not exist or a mix that writes nothing is an error, not a silent default."""
    with pytest.raises(ValueError, match="expected"):
        parse_mix(text)


def test_the_pace_keeps_the_average_rate() -> None:
    """A slow operation is made up for by shorter waits."""
    pace = Pace(rate=100, now=0)

    assert pace.delay(0) == pytest.approx(0.01)
    assert pace.delay(0.025) == 0
    assert pace.delay(0.025) == pytest.approx(0.005)


def test_the_pace_does_not_burst_after_a_pause() -> None:
    """After an election the writer goes on at its rate and does not make up for the whole pause."""
    pace = Pace(rate=100, now=0)
    delays = [pace.delay(60) for _ in range(20)]

    assert delays.count(0) < 15
    assert delays[-1] > 0


def test_the_report_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    """Counts are replaced as a whole file, and errors are counted with the last one named."""
    report = Report(tmp_path / "writer.json", seed=3)
    report.done("insert")
    report.done("insert")
    report.failed(RuntimeError("no primary"))
    report.save(always=True)

    counts = read_counts(tmp_path / "writer.json")

    assert (counts["operations"], counts["insert"], counts["errors"]) == (2, 2, 1)
    assert counts["last_error"] == "RuntimeError: no primary"
    assert read_counts(tmp_path / "none.json") == {}


def test_a_roll_over_waits_for_members_that_still_have_the_entry() -> None:
    """The entry itself must be gone too: a reader that stopped exactly there needs it to go on."""
    oldest = {"a": Timestamp(100, 1), "b": Timestamp(100, 2), "c": Timestamp(99, 9)}

    assert Progress(0, 0, oldest, past=Timestamp(100, 1)).waiting_for == ["a", "c"]


def test_timestamps_are_read_from_the_command_line() -> None:
    """`TIME,INCREMENT` is the form in which the lab prints and takes timestamps."""
    assert parse_timestamp("1700000000,3") == Timestamp(1700000000, 3)
