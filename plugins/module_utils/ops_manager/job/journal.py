# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of one's own work on a job, kept in the product itself: in the description of a maintenance window.

The product has no record for a resync, and nothing of ours runs beside it. A maintenance window can be read and written
by everybody who works on the project, mutes the alerts that a resync raises, and shows people who does what. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ...errors import AskOperator, sentence
from ...values import iso_of

PREFIX = "mongodb_ops.backup "

#: What a window is for.
RESYNC, MAINTENANCE = "resync", "maintenance"

#: How far a resync has been taken by us. Each phase is written before the request that it announces, so that a run after a
#: crash knows what may have been sent. The state of the product is read each time and never noted.
BEGUN, WAITING, STOPPING, TERMINATING, STARTING = "begun", "waiting", "stopping", "terminating", "starting"

#: The ways to make the product sync again.
HAND_OFF, RESTART, TERMINATE = "hand_off", "restart", "terminate"
#: One that was seen in the events and not begun by us.
OBSERVED = "observed"

_ID = re.compile(r"resync-(?P<began>\d{8}T\d{6}Z)-(?P<method>[a-z_]+)(?P<required>-required)?")
_REASON_LENGTH = 200


@dataclass(frozen=True)
class Held:
    """A snapshot that is kept for the time of a resync, and when it would have expired."""

    snapshot: str
    expires: str | None = None


@dataclass(frozen=True)
class Journal:
    """One window of ours."""

    kind: str
    id: str
    #: The id of the cluster of the job.
    cluster: str
    owner: str
    reason: str
    began: str
    method: str = ""
    phase: str = BEGUN
    #: When the phase was written.
    since: str = ""
    #: Whether the product asked for a resync when it began.
    required: bool = False
    held: Held | None = None
    #: Until when somebody has to press the button.
    deadline: str | None = None
    #: The alerts that asked for a resync when it began.
    alerts: tuple[str, ...] = ()
    #: The id and the end of the window; with what follows not part of the description.
    window: str = ""
    ends: datetime | None = None
    #: When the product made the window.
    made: datetime | None = None

    def description(self) -> str:
        """Return the text for the window."""
        kept = {key: value for key, value in asdict(self).items() if key not in ("window", "ends", "made")}
        kept["reason"] = self.reason[:_REASON_LENGTH]
        return PREFIX + json.dumps(kept, sort_keys=True, separators=(",", ":"))

    def at(self, phase: str, now: datetime) -> Journal:
        """Return the journal in another phase."""
        return replace(self, phase=phase, since=iso_of(now))


def is_ours(description: str | None) -> bool:
    """Whether a window was made by this collection."""
    return bool(description) and str(description).startswith(PREFIX)


def read(description: str, window: str, ends: datetime | None, made: datetime | None = None) -> Journal:
    """Read a window of ours. Raises AskOperator where somebody has edited it: nothing may be decided on half of a journal."""
    try:
        found: Mapping[str, Any] = json.loads(description[len(PREFIX) :])
        held = found.get("held")
        known = {key: found[key] for key in Journal.__dataclass_fields__ if key in found}
        known.update(held=Held(**held) if held else None, alerts=tuple(found.get("alerts") or ()))
        return Journal(**{**known, "window": window, "ends": ends, "made": made})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = sentence(
            expected="the description of a maintenance window as this collection wrote it",
            found=f"another one in window {window} ({type(error).__name__})",
            remedy="see in the web page what the window was for, put its changes back, and delete it",
        )
        raise AskOperator(message, code="journal_unreadable", details={"window": window}) from None


def new_id(began: datetime, method: str, required: bool) -> str:
    """Return the id of a resync. It says what has to be known of one that has ended, because its window is gone then."""
    asked = "-required" if required else ""
    return f"resync-{began.astimezone(timezone.utc):%Y%m%dT%H%M%SZ}-{method}{asked}"


def from_id(operation: str, cluster: str) -> Journal | None:
    """Return what the id of a resync says; None when it is no id of ours."""
    found = _ID.fullmatch(operation)
    if found is None:
        return None
    began = datetime.strptime(found["began"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return Journal(
        RESYNC,
        operation,
        cluster,
        owner="",
        reason="",
        began=iso_of(began),
        method=found["method"],
        required=bool(found["required"]),
    )
