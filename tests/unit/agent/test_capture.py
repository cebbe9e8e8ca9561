"""What is decided from the members' answers about the anchor."""

from __future__ import annotations

import itertools

import pytest

from backup_agent.capture import decide

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
