# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which nights resyncs may be started. All times are what a clock on the wall shows. Pure, but for `wall_clock`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ..module_utils.errors import bad_option
from .given import names_in

#: How many days ahead the forecast reaches.
HORIZON_DAYS = 3650

_DAY_MINUTES = 24 * 60
_HOURS = re.compile(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*")

Dates = tuple[date, date]


@dataclass(frozen=True)
class Calendar:
    """When resyncs may be started. A night is named by the date on which its hours begin."""

    #: In minutes after the midnight of the night's date; the end may lie on the next day.
    begin: int
    end: int
    #: The first and the last date of each blackout.
    blackouts: tuple[Dates, ...] = ()

    def closed(self, now: datetime) -> str:
        """Say why no resync may be started now; empty when it may."""
        night = self.night_at(now)
        if night is None:
            return f"{now:%H:%M} is outside of the allowed hours {_clock(self.begin)}-{_clock(self.end)}"
        return self.blackout(night)

    def night_at(self, now: datetime) -> date | None:
        """Return the night that this moment is in, whether it is blacked out or not."""
        today = now.date()
        return next((day for day in (today, today - timedelta(1)) if self._hours_of(day, now)), None)

    def _hours_of(self, day: date, now: datetime) -> bool:
        return self.begin_of(day) <= now < _midnight(day) + timedelta(minutes=self.end)

    def begin_of(self, night: date) -> datetime:
        """Return when the hours of a night begin."""
        return _midnight(night) + timedelta(minutes=self.begin)

    def blackout(self, night: date) -> str:
        """Say which blackout a night touches; empty when it touches none."""
        last = (_midnight(night) + timedelta(minutes=self.end - 1)).date()
        found = next((dates for dates in self.blackouts if dates[0] <= last and night <= dates[1]), None)
        return "" if found is None else f"the night of {night} touches the blackout {_shown(found)}"

    def nights_after(self, now: datetime) -> Iterator[date]:
        """Yield the nights that begin later and touch no blackout, up to the horizon."""
        days = (now.date() + timedelta(number) for number in range(HORIZON_DAYS))
        return (day for day in days if self.begin_of(day) > now and not self.blackout(day))


def calendar(hours: str, blackout_dates: object) -> Calendar:
    """Return the calendar of hours like 22:00-05:00 and of dates or FIRST/LAST. Raises FixInput."""
    found = _HOURS.fullmatch(hours)
    begin, end = (_minutes(*found.groups()[part : part + 2]) for part in (0, 2)) if found else (-1, -1)
    if begin < 0 or end < 0 or begin in (end, _DAY_MINUTES):
        raise bad_option(
            "annual_resync_hours like 22:00-05:00",
            hours or "nothing",
            "nothing was changed; 00:00-24:00 allows every hour",
        )
    return Calendar(begin, end if end > begin else end + _DAY_MINUTES, tuple(map(_dates, names_in(blackout_dates))))


def _minutes(hour: str, minute: str) -> int:
    total = int(hour) * 60 + int(minute)
    return total if int(minute) < 60 and total <= _DAY_MINUTES else -1


def _dates(text: str) -> Dates:
    first, slash, last = text.partition("/")
    try:
        found = date.fromisoformat(first.strip()), date.fromisoformat((last if slash else first).strip())
    except ValueError:
        found = (date.max, date.min)
    if found[0] > found[1]:
        raise bad_option(
            "annual_resync_blackout_dates like 2026-12-24, or 2026-12-24/2027-01-02",
            text,
            "nothing was changed; correct it",
        )
    return found


def wall_clock(zone: str, moment: str = "") -> datetime:
    """Return what a clock shows in a time zone, or in the controller's, now or at the moment given. Raises FixInput."""
    try:
        place = ZoneInfo(zone) if zone else None
    except (KeyError, ValueError, OSError):
        raise bad_option(
            "annual_resync_time_zone like Europe/Berlin", zone, "nothing was changed; correct it"
        ) from None
    try:
        # Python before 3.11 reads no Z.
        found = datetime.fromisoformat(moment.replace("Z", "+00:00")) if moment else datetime.now().astimezone()
    except ValueError:
        raise bad_option("annual_resync_now like 2026-11-28T23:00", moment, "nothing was changed; correct it") from None
    return found.replace(tzinfo=None) if found.tzinfo is None else found.astimezone(place).replace(tzinfo=None)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _clock(minutes: int) -> str:
    shown = minutes - _DAY_MINUTES if minutes > _DAY_MINUTES else minutes
    return f"{shown // 60:02d}:{shown % 60:02d}"


def _shown(dates: Dates) -> str:
    return str(dates[0]) if dates[0] == dates[1] else f"{dates[0]}/{dates[1]}"
