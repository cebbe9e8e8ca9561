# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import (
    AskOperator,
    RetryLater,
    bad_option,
    sentence,
)


class TestFailure:
    def test_says_everything(self) -> None:
        """A failure carries the message twice: for people and in a form that a playbook can branch on."""
        failure = AskOperator("No.", code="refused", details={"id": 1}).failure()
        assert {
            "msg": "No.",
            "error": {"code": "refused", "message": "No.", "retry": False, "details": {"id": 1}},
        } == failure

    def test_only_an_unanswered_question_is_asked_again(self) -> None:
        """Following an operation relies on retry to tell an outage from an answer."""
        assert RetryLater("?", code="agent_down").failure()["error"]["retry"] is True


class TestSentence:
    def test_is_one_line(self) -> None:
        """A message of several lines would be cut by programs that show only the first."""
        assert "Expected a b, found c; do d." == sentence(expected="a\nb", found="c", remedy="do  d")


class TestBadOption:
    def test_form(self) -> None:
        """It is a matter of input, in the one form that all messages have."""
        found = bad_option("parallel to be at least 1", "0", "leave it out")
        assert ("bad_option", False) == (found.code, found.retry)
        assert "Expected parallel to be at least 1, found 0; leave it out." == found.message
