# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API says, as records: the spellings of all versions read, what is missing as None, values unknown here kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from ...values import Record, iso_of

#: A kind of record.
Kind = TypeVar("Kind", bound="Resource")

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?\s*(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)


def time_of(value: Any) -> datetime | None:
    """Return a time with its zone from ISO 8601, from milliseconds since 1970 or from `{date, increment}`; else None."""
    if isinstance(value, Mapping):
        return time_of(value.get("date"))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, tz=timezone.utc)
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=_zone(zone))
    except ValueError:
        return None
    return whole.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0"))).astimezone(timezone.utc)


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return timezone.utc
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def either(answer: Record, *names: str) -> Any:
    """Return the value under the first of several spellings that has one; else None."""
    return next((answer[name] for name in names if answer.get(name) is not None), None)


def whole_number(value: Any) -> int | None:
    """Return the value if it is a number, as an int; else None."""
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def texts(value: Any) -> tuple[str, ...] | None:
    """Return a list of texts; one text alone is a list of one. None where there is nothing."""
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(str(one) for one in value)


def mapping(value: Any) -> Record:
    """Return the value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Record]:
    """Return the mappings of a list; none where it is something else."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, (list, tuple)) else []


def text(value: Any) -> str:
    """Return the value as a text, which is empty where there is none."""
    return str(value or "")


def inside(name: str) -> Callable[[Any], Any]:
    """Return what reads one value of an object."""
    return lambda value: either(mapping(value), name)


def _as_it_is(value: Any) -> Any:
    return value


def said(*names: str, read: Callable[[Any], Any] = _as_it_is) -> Any:
    """Declare a field of a record, with the spellings of its name in the API, and what makes a value of what is there."""
    return field(metadata={"names": names, "read": read})  # pylint: disable=invalid-field-call


@dataclass(frozen=True)
class Resource:
    """A record of the API, with all that it has said as `raw`. Its other fields are declared with `said`."""

    raw: Record = field(repr=False, compare=False)

    @classmethod
    def of(cls: type[Kind], answer: Record) -> Kind:
        """Read an answer of the API."""
        declared = [one for one in fields(cls) if one.metadata]
        found = {one.name: one.metadata["read"](either(answer, *one.metadata["names"])) for one in declared}
        return cls(raw=answer, **found)

    def as_dict(self) -> dict[str, Any]:
        """Return the record without `raw`, in values that a module can return."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self) if item.name != "raw"}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_of(value)
    if isinstance(value, Resource):
        return value.as_dict()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value
