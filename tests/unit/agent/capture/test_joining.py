"""What is decided from the members' answers about the anchor."""

from __future__ import annotations

import itertools
from typing import cast

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.capture import joining
from backup_agent.capture.joining import Wanted, decide
from backup_agent.capture.slices import Anchor
from backup_agent.errors import ResyncRequired, Transient
from backup_agent.source.connections import SourceSet
from backup_agent.source.topology import Topology
from backup_agent.values import Client

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


class Members:
    """A set whose members answer what they are told to, one round after the other; it has the rounds that were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *rounds: dict[str, str], delayed: tuple[str, ...] = ()) -> None:
        self._rounds = list(rounds)
        self._delayed = delayed
        self.paused: list[float] = []
        self.asked: list[str] = []
        monkeypatch.setattr(joining, "answer_about", self._answer)

    def topology(self) -> Topology:
        """Begin a round."""
        self._round = self._rounds.pop(0)
        names = (*self._round, *self._delayed)
        return Topology("a", (), None, None, (), names, self._delayed)

    def prompt(self, name: str) -> str:
        """Return the name as its client."""
        return name

    def _answer(self, name: str, _wanted: Wanted) -> str:
        self.asked.append(name)
        return self._round[name]

    def require(self, member: str) -> None:
        """Require the first entry of a member."""
        joining.require(cast(SourceSet, self), Wanted(Timestamp(100, 1)), member, self.paused.append)


def test_what_is_lost_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member in the middle of a batch does not end the job: seconds later it has the entry."""
    gone = {"a": "rolled_over", "b": "diverged"}
    members = Members(monkeypatch, gone, {**gone, "b": "has"})
    members.require("b")
    assert [joining.AGAIN_SECONDS] == members.paused
    with pytest.raises(ResyncRequired) as caught:
        Members(monkeypatch, gone, gone).require("b")
    assert "corruption" == caught.value.cause


def test_two_answers_that_differ_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Truncated between two looks: the cause is told only when it was found twice."""
    with pytest.raises(Transient, match="asked again"):
        Members(monkeypatch, {"a": "diverged"}, {"a": "rolled_over"}).require("a")
    with pytest.raises(Transient, match="none yet"):
        Members(monkeypatch, {"a": "rolled_over"}, {"a": "unreachable"}).require("a")


def test_a_delayed_member_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not asked, so it neither keeps the job waiting nor hides that the entry is lost, and the message names it."""
    gone = {"a": "rolled_over", "b": "rolled_over"}
    members = Members(monkeypatch, gone, gone, delayed=("late",))
    with pytest.raises(ResyncRequired, match="late: delayed") as caught:
        members.require("b")
    assert "oplog_rolled_over" == caught.value.cause
    assert "late" not in members.asked


@pytest.mark.parametrize(
    ("before", "after", "answer"), [(99, 101, "rolled_over"), (99, 99, "diverged"), (101, 101, "rolled_over")]
)
def test_an_oplog_that_is_cut_off_meanwhile_rolled_over(
    monkeypatch: pytest.MonkeyPatch, before: int, after: int, answer: str
) -> None:
    """The oldest entry counts as it is after the wanted one was looked for: before that it may have been there."""
    oldest = [before]

    def edge(_client: object, newest: bool) -> RawBSONDocument:
        return entry(ts=Timestamp(200 if newest else oldest[0], 1))

    def at(_client: object, _ts: Timestamp) -> None:
        oldest[0] = after

    monkeypatch.setattr(joining, "member_state", lambda _client: "SECONDARY")
    monkeypatch.setattr(joining, "edge_entry", edge)
    monkeypatch.setattr(joining, "entry_at", at)
    assert answer == joining.answer_about(cast(Client, None), Wanted(Timestamp(100, 1)))
