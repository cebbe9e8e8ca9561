# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How values are said to people."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import text


@pytest.mark.parametrize(
    ("expected", "seconds"),
    [
        ("–", None),
        ("0 s", -3),
        ("0 s", 0),
        ("59 s", 59.4),
        ("1 min 0 s", 59.6),
        ("59 min 59 s", 3599),
        ("1 h 0 min", 3600),
        ("47 h 59 min", 172799),
        ("2 days 0 h", 172800),
        ("115 days 4 h", 115 * 86400 + 4 * 3600 + 59 * 60),
    ],
)
def test_duration(expected: str, seconds: float | None) -> None:
    """The two largest units, from two days on in days; what is not known is a dash."""
    assert expected == text.duration(seconds)


@pytest.mark.parametrize(
    ("expected", "begin", "end"),
    [
        ("1 h 2 min", "2026-01-31T04:05:06Z", "2026-01-31T05:07:08Z"),
        ("1 min 0 s", "2026-02-28T23:59:30.5Z", "2026-03-01T00:00:30"),
        ("", None, "2026-01-31T05:07:08Z"),
        ("", "2026-01-31T05:07:08Z", ""),
    ],
)
def test_time_between(expected: str, begin: str | None, end: str | None) -> None:
    """Parts of a second do not count, and where a moment is missing nothing is said."""
    assert expected == text.time_between(begin, end)


def test_what_is_no_moment() -> None:
    """It is not taken for one."""
    with pytest.raises(ValueError, match="yesterday"):
        text.time_between("yesterday", "2026-01-31T05:07:08Z")


@pytest.mark.parametrize(
    ("expected", "value"), [("–", None), ("0.0 h", 0), ("99.9 h", 99.94), ("100 h", 100), ("1234 h", 1234.4)]
)
def test_hours(expected: str, value: float | None) -> None:
    """With a decimal where it matters."""
    assert expected == text.hours(value)


@pytest.mark.parametrize(
    ("expected", "words"), [("a b c", " a\nb\tc\n"), ("torn [2J", "torn\x1b[2J"), ("12", 12), ("ü ©", "ü\x85©")]
)
def test_one_line(expected: str, words: object) -> None:
    """Breaks and control characters become a space."""
    assert expected == text.one_line(words)


def test_shortened() -> None:
    """What fits stays as it is."""
    assert ("abcde", "abcd…") == (text.shortened("abcde", 5), text.shortened("abcdef", 5))
