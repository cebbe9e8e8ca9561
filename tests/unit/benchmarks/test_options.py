"""The command line of the benchmarks, and taking turns."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import parse
from benchmarks.errors import TooLong
from benchmarks.options import Options, in_turns, wait_for


def test_what_is_not_given_is_as_the_documentation_says() -> None:
    """500 MB, 300,000 operations, two rounds."""
    assert parse(["initial_sync"]) == ("initial_sync", Options(500, 300_000, 2))


def test_every_number_can_be_given() -> None:
    """A small run is for trying the benchmark itself."""
    assert parse(["apply", "--megabytes", "5", "--operations", "1000", "--rounds", "1"]) == (
        "apply",
        Options(5, 1000, 1),
    )


@pytest.mark.parametrize("arguments", [[], ["sync"], ["apply", "--rounds", "0"], ["apply", "--megabytes", "many"]])
def test_what_cannot_be_run_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name, no name, and numbers that are none end with status 2 and a message."""
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert "usage: bin/bench" in capsys.readouterr().err


def test_both_sides_take_turns_and_the_best_of_each_counts() -> None:
    """Each side is first every other time, so that neither always meets what the other has left behind."""
    order: list[str] = []
    ours, theirs = iter((3.0, 2.0)), iter((5.0, 7.0))

    def side(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    assert in_turns(2, lambda: side("ours", next(ours)), lambda: side("theirs", next(theirs))) == (2.0, 5.0)
    assert order == ["ours", "theirs", "theirs", "ours"]


def test_waiting_ends_with_what_was_waited_for() -> None:
    """A benchmark that hangs says on what."""
    with pytest.raises(TooLong, match="the new member"):
        wait_for("the new member", lambda: False, seconds=0)
