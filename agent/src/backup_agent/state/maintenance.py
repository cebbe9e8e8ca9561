"""Maintenance under a lease: who keeps the agent away and why, until when, and by when it has to run again. Pure.

A record outlives its lease: maintenance that was overrun, or never ended, must be seen until somebody ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bson.timestamp import Timestamp

from backup_agent.errors import Refused
from backup_agent.state.records import Lease, Live
from backup_agent.times import iso_in, moment, now_iso, seconds_until
from backup_agent.values import Json, Record

LATE_SECONDS = 30 * 60
"""With less time than this before the latest safe restart, an agent that is down is critical."""


def parse_latest(text: str | None) -> str | None:
    """Return an ISO time with its zone as all times of the state are written, in UTC and whole seconds. Raises Refused."""
    if text is None:
        return None
    try:
        return moment(text)
    except ValueError:
        raise Refused(
            f"--latest-safe-restart: expected a time with its zone, such as 2026-01-31T04:05:06Z, found {text!r}; correct it"
        ) from None


@dataclass(frozen=True, slots=True)
class Maintenance(Record):
    """The record of maintenance; `oldest` and `captured` are what the daemon had observed last when it began."""

    owner: str
    reason: str
    began_at: str
    until: str
    latest_safe_restart: str | None = None
    oldest: Timestamp | None = None
    captured: Timestamp | None = None

    @property
    def overdue(self) -> bool:
        """Whether the time that was asked for has passed."""
        return self.until <= now_iso()

    @property
    def seconds_left(self) -> int | None:
        """How long it is until the latest safe restart: negative when that has passed, None when it is not known."""
        return None if self.latest_safe_restart is None else seconds_until(self.latest_safe_restart)

    @property
    def late(self) -> bool:
        """Whether an agent that is down under it must be started now."""
        return self.overdue or (self.seconds_left is not None and self.seconds_left < LATE_SECONDS)

    def shown(self) -> Json:
        """Return it as `status` shows it, judged at this moment."""
        return {**self.to_json(), "overdue": self.overdue, "seconds_left": self.seconds_left}

    def never_ended(self) -> str:
        """Return the sentence about a record that is overdue while the agent runs."""
        return f"the maintenance of {self.owner} ended at {self.until} and was never ended; run maintenance_end"


@dataclass(frozen=True, slots=True)
class Begun(Record):
    """What the beginning of maintenance makes of the state; `renewed` says whether a recorded maintenance goes on."""

    changed: bool
    renewed: bool
    maintenance: Maintenance
    leases: tuple[Lease, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """The wish of an owner to begin maintenance, or to renew it, for so many seconds."""

    owner: str
    reason: str
    seconds: int
    latest: str | None = None
    """By when the agent has to run again; None where nobody said so."""
    alive: bool = False
    """Whether the agent runs, which ends maintenance whose time is over."""

    def answer(self, before: Maintenance | None, leases: Sequence[Lease], live: Live) -> Begun:
        """Return what becomes of the record and of the leases that are valid now; `live` is what the daemon observed last.

        Raises Refused while another owner's maintenance is valid.
        """
        kept = self._kept(before, live.agent.cycle_at)
        record = self._record(kept, live)
        lease = Lease(self.owner, self.reason, record.until)
        after = sorted([lease, *(other for other in leases if other.owner != self.owner)], key=lambda one: one.owner)
        return Begun(record != before or after != list(leases), kept is not None, record, tuple(after))

    def _kept(self, before: Maintenance | None, last_cycle: str | None) -> Maintenance | None:
        """Return the record that goes on; None when what begins is new.

        When the time of a record has passed, the agent decides. One that is still down is only longer away, also
        when another owner says so now. One that runs, or has worked after that time, has come back, and its maintenance was
        never ended: nothing of then holds.
        """
        if before is None:
            return None
        if before.overdue:
            came_back = self.alive or (last_cycle is not None and last_cycle > before.until)
            return None if came_back else before
        if before.owner != self.owner:
            raise Refused(
                f"expected no maintenance of anybody else, found that of {before.owner} ({before.reason}) until "
                f"{before.until}; wait for its end, or let its owner end it",
                maintenance=before,
            )
        return before

    def _record(self, kept: Maintenance | None, live: Live) -> Maintenance:
        """Return the new record. What goes on keeps when it began, and the oldest entry of that moment.

        How fast the oplog moves on is calculated from both. It also keeps the latest safe restart unless there is another one.
        """
        past = kept or Maintenance(self.owner, self.reason, now_iso(), "", oldest=live.oldest)
        return replace(
            past,
            owner=self.owner,
            reason=self.reason,
            until=iso_in(self.seconds),
            latest_safe_restart=self.latest or past.latest_safe_restart,
            captured=live.captured or past.captured,
        )


def down(job: str, record: Maintenance, latest: str | None, left: float | None, late_seconds: float) -> tuple[str, str]:
    """Return the level (`warning` or `critical`) and the sentence about an agent that is down under a record.

    `left` are the seconds until `latest`, by when it has to run again; None when that is not known.
    """
    who = f"the agent is down for maintenance of {record.owner} ({record.reason})"
    by = "by when it has to run again is not known"
    if left is not None:
        by = f"it has to run again by {latest}, {span(left)} are left"
        if left <= 0:
            by = f"it had to run again by {latest}, {span(-left)} ago"
    if record.overdue:
        over = span(-seconds_until(record.until))
        return "critical", f"{who}, which ended at {record.until}, {over} ago; {by}; {start(job)}"
    if left is not None and left < late_seconds:
        return "critical", f"{who} until {record.until}; {by}; {start(job)}"
    if left is None:
        return "warning", f"{who} until {record.until}; {by}"
    return "warning", f"{who} until {record.until}; it has to run again by {latest}"


def start(job: str) -> str:
    """Return what to do about an agent that is down."""
    return (
        f"start the agent: ansible-playbook mongodb_ops.backup.maintenance_end --limit {job}, "
        f"or on its machine: systemctl start backup-agent@{job}"
    )


def resync(job: str) -> str:
    """Return the command for a job whose cursor is lost."""
    return f"ansible-playbook mongodb_ops.backup.resync --limit {job}"


def span(seconds: float) -> str:
    """Return a length of time as people read it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6 * 3600 else f"{seconds / 3600:.1f} h"
