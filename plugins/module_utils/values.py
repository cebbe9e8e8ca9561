# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that all of the plugins exchange: objects of JSON, and how a time is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

#: What a provider, an API or a module answers.
Answer = dict[str, Any]
#: The same where it is only read.
Record = Mapping[str, Any]


def iso_of(moment: datetime | float) -> str:
    """Return a time, or seconds since 1970, the way that every module of this collection shows it and the APIs take it."""
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, tz=timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(moment: datetime | float | None) -> str | None:
    """Return the same, or None where there is no time."""
    return None if moment is None else iso_of(moment)
