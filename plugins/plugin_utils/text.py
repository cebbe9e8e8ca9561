# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How values are said to people. Pure."""

from __future__ import annotations

import re
from datetime import datetime

UNKNOWN = "–"
"""A value that is not known is a dash, never a zero."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def duration(seconds: float | None) -> str:
    """Say a length of time with its two largest units; a dash for one that is not known, and never less than nothing."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} days {whole % _DAY // _HOUR} h"


def time_between(begin: str | None, end: str | None) -> str:
    """Say how long it is from one moment to another, both like 2026-01-31T04:05:06Z; nothing where one of them is not known.

    Raises ValueError for what is no moment.
    """
    return duration((moment(end) - moment(begin)).total_seconds()) if begin and end else ""


def moment(text: str) -> datetime:
    """Return a moment like 2026-01-31T04:05:06Z, in UTC and to the second. Raises ValueError."""
    return datetime.fromisoformat(text[:19])


def hours(value: float | None) -> str:
    """Say a number of hours; a dash where it is not known."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f} h" if value < 100 else f"{value:.0f} h"


def one_line(text: object) -> str:
    """Return a text without breaks and control characters, so that it stays on its line whatever is in it."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", str(text)).strip()


def shortened(text: str, length: int) -> str:
    """Return a text that is not longer than this; an ellipsis stands for what is missing."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
