# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits that a user sets for the measures of a backup, and the findings that they lead to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from .arguments import Arguments
from .errors import FixInput, sentence
from .verdict import CRITICAL, OK, UNKNOWN, WARNING, Finding


@dataclass(frozen=True)
class Measure:
    """A number that can have limits. Its unit is the end of its name, as everywhere in this collection."""

    name: str
    text: str
    unit: str
    #: Whether small values are the bad ones.
    at_least: bool = False
    #: What it means when the provider answered and has no value; None when the value then just is not known.
    absent: str | None = None

    def breaks(self, value: float, limit: float) -> bool:
        """Say whether the value is on the wrong side of the limit; on the limit it is not."""
        return value < limit if self.at_least else value > limit


MEASURES = (
    Measure("backup_lag_seconds", "the backup lag", "s"),
    Measure("apply_lag_seconds", "the apply lag", "s"),
    Measure("headroom_hours", "the headroom", "h", at_least=True),
    Measure("slack_minutes", "the slack", "min", at_least=True),
    Measure("snapshot_age_hours", "the age of the newest good snapshot", "h", absent="there is no good snapshot"),
    Measure("proven_age_hours", "the age of the newest proven snapshot", "h", absent="there is no proven snapshot"),
    Measure("resync_age_days", "the age of the last full sync", "days", absent="there was no full sync yet"),
    Measure("validation_age_days", "the age of the last validation", "days", absent="there was no validation yet"),
)

_LIMIT: Mapping[str, Any] = {
    "type": "dict",
    "options": {"warning": {"type": "float"}, "critical": {"type": "float"}},
}

#: The option `thresholds`, which every module that judges a backup has.
THRESHOLDS = Arguments(
    options={"thresholds": {"type": "dict", "options": {measure.name: dict(_LIMIT) for measure in MEASURES}}},
)

Limits = Optional[Mapping[str, Any]]


def check(limits: Limits) -> None:
    """Refuse limits that contradict each other: the critical one must not be reached before the warning."""
    for measure in MEASURES:
        warning, critical = _of(limits, measure)
        for limit in (warning, critical):
            if limit is not None and not math.isfinite(limit):
                expected, found = f"numbers as thresholds.{measure.name}", f"{limit:g}"
                message = sentence(expected=expected, found=found, remedy="correct it, or leave it out")
                raise FixInput(message, code="bad_thresholds")
        if warning is None or critical is None or warning == critical or measure.breaks(critical, warning):
            continue
        side = "less" if measure.at_least else "more"
        expected = f"thresholds.{measure.name}.critical to be {side} than its warning"
        found = f"critical {critical:g} and warning {warning:g}"
        raise FixInput(
            sentence(expected=expected, found=found, remedy="exchange the two"), code="contradictory_thresholds"
        )


def judge(values: Mapping[str, float | None], limits: Limits) -> list[Finding]:
    """Return a finding for every measure that has a limit. A value that is not known is never ok."""
    return [_judge(measure, values.get(measure.name), *_of(limits, measure)) for measure in MEASURES]


def _of(limits: Limits, measure: Measure) -> tuple[float | None, float | None]:
    limit = (limits or {}).get(measure.name) or {}
    return limit.get("warning"), limit.get("critical")


def _judge(measure: Measure, value: float | None, warning: float | None, critical: float | None) -> Finding:
    if warning is None and critical is None:
        return Finding(OK)
    if value is None:
        if measure.absent is None:
            return Finding(UNKNOWN, f"{measure.text} is not known")
        return Finding(WARNING if critical is None else CRITICAL, measure.absent)
    for verdict, limit in ((CRITICAL, critical), (WARNING, warning)):
        if limit is not None and measure.breaks(value, limit):
            side = "less" if measure.at_least else "more"
            return Finding(verdict, f"{measure.text} is {value:g} {measure.unit}, {side} than {limit:g}")
    return Finding(OK)
