# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What resizing the oplogs of a replica set speaks of: a wish, what is known of a member, and what is to be done to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import AskOperator, BackupError, bad_option, sentence
from ..oplog.oplog import rate_of
from ..topology import host_of
from ..values import Record

#: The server counts the size of an oplog in these.
MIB = 1024 * 1024
#: What replSetResizeOplog accepts: https://mongodb.com/docs/manual/reference/command/replSetResizeOplog
LEAST_BYTES, MOST_BYTES = 990 * MIB, 1024**5


@dataclass(frozen=True)
class Wish:
    """What the oplogs are to be like, and what may be done for it."""

    min_hours: float = 24
    #: The size itself, in bytes; without it, it is derived from `min_hours`.
    size_bytes: int | None = None
    #: None leaves as it is how long entries are kept at least; 0 turns it off.
    min_retention_hours: float | None = None
    allow_shrink: bool = False
    assume_room: bool = False
    #: A young oplog must tell of this many hours before it is believed what is written.
    min_history_hours: float = 1
    max_lag_seconds: float = 60
    health_timeout_seconds: float = 120

    def check(self) -> None:
        """Refuse what no server would accept."""
        for name in (
            "min_hours",
            "min_retention_hours",
            "min_history_hours",
            "max_lag_seconds",
            "health_timeout_seconds",
        ):
            value = getattr(self, name)
            if value is not None and (not math.isfinite(value) or value < 0):
                raise bad_option(f"{name} to be 0 or more", f"{value:g}", "correct it")
        size = self.size_bytes
        if size is not None and not LEAST_BYTES <= size <= MOST_BYTES:
            raise bad_option(
                f"size_bytes of {LEAST_BYTES} (990 MiB) to {MOST_BYTES} (1 PiB)",
                str(size),
                "the server takes no other size",
            )


@dataclass(frozen=True)
class MemberFacts:
    """What is known of one member that holds data."""

    address: str
    state: str
    #: Why the member could not be read; empty when it could.
    why_not: str = ""
    max_bytes: int | None = None
    #: What the file of the oplog takes on the disk now.
    storage_bytes: int | None = None
    min_retention_hours: float = 0.0
    window_hours: float | None = None
    projected_hours: float | None = None
    wrapped: bool | None = None
    disk_bytes: int | None = None
    free_bytes: int | None = None
    #: Whether the user may resize; None where the server asks for no login.
    may_resize: bool | None = None

    @property
    def host(self) -> str:
        """The host of the member's address."""
        return host_of(self.address)


@dataclass(frozen=True)
class Step:
    """One member: what it has, what it is to have, and why. Without a difference nothing is done."""

    facts: MemberFacts
    size_bytes: int
    min_retention_hours: float
    reason: str

    @property
    def resizes(self) -> bool:
        """Whether the size differs."""
        return self.size_bytes != self.facts.max_bytes

    @property
    def shrinks(self) -> bool:
        """Whether the size gets smaller."""
        return self.size_bytes < (self.facts.max_bytes or 0)

    @property
    def retains(self) -> bool:
        """Whether the minimum retention differs."""
        return abs(self.min_retention_hours - self.facts.min_retention_hours) > 1e-6

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        return self.resizes or self.retains

    def before(self) -> dict[str, Any]:
        """Return what the member has."""
        return {"size_bytes": self.facts.max_bytes, "min_retention_hours": self.facts.min_retention_hours}

    def after(self) -> dict[str, Any]:
        """Return what the member is to have."""
        return {"size_bytes": self.size_bytes, "min_retention_hours": self.min_retention_hours}

    def as_dict(self) -> dict[str, Any]:
        """Return the member as the module reports it."""
        return {
            "member": self.facts.address,
            "state": self.facts.state,
            "window_hours": self.facts.window_hours,
            "before": self.before(),
            "after": self.after(),
            "changed": self.changes,
            "reason": self.reason,
        }


def needed_bytes(facts: MemberFacts, rate: Record | None, hours: float) -> int | None:
    """Return the size that holds so many hours, in bytes; None where that cannot be told.

    Counted at the rate that 5 % of the time exceeds, but never below the mean (`rate_of`), nor below the member's own mean.
    """
    written = [value for value in (rate_of(rate or {}, "p95"), _mean(facts)) if value is not None]
    return int(max(written) * hours * 3600) if written else None


def _mean(facts: MemberFacts) -> float | None:
    if not facts.projected_hours or not facts.max_bytes:
        return None
    return facts.max_bytes / (facts.projected_hours * 3600)


def refusal(expected: str, found: str, remedy: str, code: str) -> BackupError:
    """Return the refusal of what the state of the set does not allow."""
    return AskOperator(sentence(expected=expected, found=found, remedy=remedy), code=code)


def gib(size: float) -> str:
    """Say a size."""
    return f"{size / 1024**3:.4g} GiB"
