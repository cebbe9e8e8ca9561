# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nights: when resyncs may be started."""

from __future__ import annotations

import itertools
from datetime import date, datetime

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.nights import calendar, wall_clock

OVER_MIDNIGHT = "22:00-05:00"


def at(text: str) -> datetime:
    """Return a moment of a wall's clock."""
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("hours", "now", "night"),
    [
        (OVER_MIDNIGHT, "2026-11-28T22:00", "2026-11-28"),
        (OVER_MIDNIGHT, "2026-11-29T04:59", "2026-11-28"),
        (OVER_MIDNIGHT, "2026-11-29T05:00", None),
        (OVER_MIDNIGHT, "2026-11-28T21:59", None),
        ("01:00-05:00", "2026-11-29T01:00", "2026-11-29"),
        ("01:00-05:00", "2026-11-29T00:59", None),
        ("00:00-24:00", "2026-11-29T23:59", "2026-11-29"),
        ("00:00-24:00", "2026-11-29T00:00", "2026-11-29"),
        ("22:00-00:00", "2026-11-28T23:59", "2026-11-28"),
        ("22:00-00:00", "2026-11-29T00:00", None),
    ],
)
def test_a_night_has_the_date_on_which_it_begins(hours: str, now: str, night: str | None) -> None:
    """Also after midnight; the end does not belong to it."""
    assert (None if night is None else date.fromisoformat(night)) == calendar(hours, ()).night_at(at(now))


def test_what_is_outside_is_said() -> None:
    """The hour and the allowed ones, as they were given."""
    assert "14:10 is outside of the allowed hours 22:00-05:00" == calendar(OVER_MIDNIGHT, ()).closed(
        at("2026-11-28T14:10")
    )
    assert "" == calendar(OVER_MIDNIGHT, ()).closed(at("2026-11-28T23:10"))


@pytest.mark.parametrize(
    ("blackout", "closed"),
    [
        ("2026-12-24", ["2026-12-23", "2026-12-24"]),
        (date(2026, 12, 24), ["2026-12-23", "2026-12-24"]),
        ("2026-12-22/2026-12-24", ["2026-12-21", "2026-12-22", "2026-12-23", "2026-12-24"]),
    ],
)
def test_a_night_that_touches_a_blackout_is_not_used(blackout: object, closed: list[str]) -> None:
    """Its evening or its morning; a YAML date is read as well."""
    days = [f"2026-12-{day}" for day in range(20, 29)]
    found = calendar(OVER_MIDNIGHT, [blackout])
    assert closed == [day for day in days if found.closed(at(f"{day}T23:00"))]


def test_hours_that_end_at_midnight_touch_no_other_day() -> None:
    """The night before a blackout can be used when it ends in time."""
    assert "" == calendar("20:00-24:00", ["2026-12-24"]).closed(at("2026-12-23T21:00"))


@pytest.mark.parametrize(
    ("now", "first"),
    [("2026-12-22T21:00", "2026-12-22"), ("2026-12-22T22:00", "2026-12-25"), ("2026-12-23T01:00", "2026-12-25")],
)
def test_the_coming_nights_begin_later(now: str, first: str) -> None:
    """The night that it is now is not one of them, nor is one that is blacked out."""
    found = calendar(OVER_MIDNIGHT, ["2026-12-24"]).nights_after(at(now))
    assert date.fromisoformat(first) == next(found)


def test_a_blackout_without_an_end_leaves_no_night() -> None:
    """Looking for one ends."""
    assert [] == list(
        itertools.islice(calendar(OVER_MIDNIGHT, ["2026-01-01/9999-12-31"]).nights_after(at("2026-01-01T12:00")), 1)
    )


@pytest.mark.parametrize(
    "hours", ["", "22-05", "22:00", "25:00-05:00", "22:60-05:00", "24:00-05:00", "05:00-05:00", "24:01-05:00"]
)
def test_hours_that_make_no_sense_are_refused(hours: str) -> None:
    """The sentence says how they look."""
    with pytest.raises(FixInput, match="annual_resync_hours like 22:00-05:00"):
        calendar(hours, ())


@pytest.mark.parametrize("dates", ["christmas", "2026-12-24/", "2026-12-25/2026-12-24", "2026-02-30", ""])
def test_dates_that_make_no_sense_are_refused(dates: str) -> None:
    """Ignoring one would resync when nobody wants it."""
    with pytest.raises(FixInput, match="annual_resync_blackout_dates like"):
        calendar(OVER_MIDNIGHT, [dates])


@pytest.mark.parametrize(
    ("zone", "moment", "shown"),
    [
        ("Europe/Berlin", "2026-11-28T23:00", "2026-11-28T23:00"),
        ("Europe/Berlin", "2026-11-28T23:00Z", "2026-11-29T00:00"),
        ("Europe/Berlin", "2026-07-28T20:00+00:00", "2026-07-28T22:00"),
        ("", "2026-11-28T23:00", "2026-11-28T23:00"),
    ],
)
def test_the_clock_is_that_of_the_zone(zone: str, moment: str, shown: str) -> None:
    """A moment without a zone is what the clock there shows; summer time counts."""
    assert at(shown) == wall_clock(zone, moment)


def test_the_clock_goes() -> None:
    """Without a moment it is now, and zones differ."""
    apart = wall_clock("Pacific/Kiritimati") - wall_clock("Pacific/Honolulu")
    assert 24 == round(apart.total_seconds() / 3600)


@pytest.mark.parametrize(("zone", "moment"), [("Mars/Base", ""), ("../etc/passwd", ""), ("UTC", "tonight")])
def test_no_clock_without_sense(zone: str, moment: str) -> None:
    """A wrong zone or moment is refused."""
    with pytest.raises(FixInput, match="annual_resync_"):
        wall_clock(zone, moment)
