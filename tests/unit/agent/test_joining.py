"""What is decided from the members' answers about the anchor."""

from __future__ import annotations

import itertools

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.joining import Wanted, decide
from backup_agent.slices import Anchor

ANSWERS = ("has", "behind", "rolled_over", "diverged", "unreachable")


@pytest.mark.parametrize(
    ("answers", "decision"),
    [
        (["has", "rolled_over", "rolled_over"], "continue"),
        (["rolled_over", "rolled_over", "rolled_over"], "oplog_rolled_over"),
        (["rolled_over", "rolled_over", "unreachable"], "wait"),
        (["rolled_over", "behind", "rolled_over"], "wait"),
        (["diverged", "diverged", "rolled_over"], "corruption"),
        (["diverged", "unreachable", "unreachable"], "wait"),
        ([], "wait"),
    ],
)
def test_the_anchor_is_lost_only_when_every_member_says_so(answers: list[str], decision: str) -> None:
    """A terminal verdict needs an answer from every member that has data."""
    assert decision == decide(dict(enumerate(answers)))  # type: ignore[arg-type]


def test_no_combination_is_terminal_while_one_may_still_have_it() -> None:
    """Over every combination of three answers: terminal only if none has it, is behind, or is silent."""
    for answers in itertools.product(ANSWERS, repeat=3):
        decision = decide({str(number): answer for number, answer in enumerate(answers)})
        hopeless = not set(answers) & {"has", "behind", "unreachable"}
        assert hopeless == (decision in ("oplog_rolled_over", "corruption"))


def entry(**fields: object) -> RawBSONDocument:
    """Return an oplog entry as it is read."""
    return RawBSONDocument(bson.encode({"ts": Timestamp(100, 1), "t": 1, **fields}))


def test_before_the_first_capture_the_timestamp_is_enough() -> None:
    """The first entry is known by its timestamp alone, the anchor by every byte."""
    first, anchor = Wanted(Timestamp(100, 1)), Wanted(Timestamp(100, 1), Anchor.of(entry(o=1)))
    assert first.is_(entry(o=1))
    assert first.is_(entry(o=2))
    assert not first.is_(entry(ts=Timestamp(100, 2)))
    assert anchor.is_(entry(o=1))
    assert not anchor.is_(entry(o=2))
