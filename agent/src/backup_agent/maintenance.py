"""Maintenance under a lease: who keeps the agent away and why, until when, and by when it has to run again. Pure.

A record outlives its lease: maintenance that was overrun, or never ended, must be seen until somebody ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backup_agent.errors import Refused
from backup_agent.times import iso_in, moment, now_iso, seconds_until

LATE_SECONDS = 30 * 60
"""With less time than this before the latest safe restart, an agent that is down is critical."""

Json = dict[str, Any]


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


@dataclass(frozen=True)
class Begin:
    """The wish of an owner to begin maintenance, or to renew it, for so many seconds."""

    owner: str
    reason: str
    seconds: int
    latest: str | None = None
    """By when the agent has to run again; None where nobody said so."""
    alive: bool = False
    """Whether the agent runs."""

    def answer(self, before: Json | None, leases: list[Json], live: Json) -> Json:
        """Return `changed`, `renewed` (whether a recorded maintenance goes on), and `maintenance` and `leases` as they are then.

        `before` is the record and `leases` are the leases that are valid now, `live` is what the daemon observed last. Raises
        Refused while another owner's maintenance is valid.
        """
        kept = self._kept(before)
        record = self._record(kept, live)
        lease = {"owner": self.owner, "reason": self.reason, "expires_at": record["until"]}
        after = [lease, *(other for other in leases if other["owner"] != self.owner)]
        after.sort(key=lambda one: str(one["owner"]))
        changed = record != before or after != leases
        return {"changed": changed, "renewed": kept is not None, "maintenance": record, "leases": after}

    def _kept(self, before: Json | None) -> Json | None:
        """Return the record that goes on; None when what begins is new.

        When the time of a record has passed, the agent decides. One that is still down is only longer away, whoever says so now.
        One that runs has come back, and its maintenance was never ended: nothing of then holds.
        """
        if before is None:
            return None
        if is_over(before):
            return None if self.alive else before
        if before["owner"] != self.owner:
            raise Refused(
                f"expected no maintenance of anybody else, found that of {before['owner']} ({before['reason']}) until "
                f"{before['until']}; wait for its end, or let its owner end it",
                maintenance=before,
            )
        return before

    def _record(self, kept: Json | None, live: Json) -> Json:
        """Return the new record. What goes on keeps when it began, and the oldest entry of that moment.

        How fast the oplog moves on is calculated from both. It also keeps the latest safe restart unless there is another one.
        """
        past = kept or {**live, "began_at": now_iso(), "latest_safe_restart": None}
        return {
            "owner": self.owner,
            "reason": self.reason,
            "began_at": past["began_at"],
            "until": iso_in(self.seconds),
            "latest_safe_restart": self.latest or past["latest_safe_restart"],
            "oldest": past.get("oldest"),
            "captured": live.get("captured") or past.get("captured"),
        }


def is_over(record: Json) -> bool:
    """Say whether the time that was asked for has passed."""
    return bool(record["until"] <= now_iso())


def shown(record: Json | None) -> Json | None:
    """Return the record as `status` shows it: with `overdue`, and `seconds_left` until the latest safe restart of the record.

    `seconds_left` is negative when that has passed, and None when it is not known.
    """
    if record is None:
        return None
    latest = record["latest_safe_restart"]
    return {**record, "overdue": is_over(record), "seconds_left": None if latest is None else seconds_until(latest)}


def is_late(record: Json | None) -> bool:
    """Say whether an agent that is down under this record (as `shown` returned it) must be started now."""
    if record is None:
        return False
    left = record["seconds_left"]
    return bool(record["overdue"]) or (left is not None and left < LATE_SECONDS)


def never_ended(record: Json) -> str:
    """Return the sentence about a record that outlived its time while the agent runs."""
    return f"the maintenance of {record['owner']} ended at {record['until']} and was never ended; run maintenance_end"


def down(job: str, record: Json, latest: str | None, left: float | None, late_seconds: float) -> tuple[str, str]:
    """Return the level (`warning` or `critical`) and the sentence about an agent that is down under a record.

    `left` are the seconds until `latest`, by when it has to run again; None when that is not known.
    """
    who = f"the agent is down for maintenance of {record['owner']} ({record['reason']})"
    by = "by when it has to run again is not known"
    if left is not None:
        by = f"it has to run again by {latest}, {span(left)} are left"
        if left <= 0:
            by = f"it had to run again by {latest}, {span(-left)} ago"
    if is_over(record):
        over = span(-seconds_until(record["until"]))
        return "critical", f"{who}, which ended at {record['until']}, {over} ago; {by}; {start(job)}"
    if left is not None and left < late_seconds:
        return "critical", f"{who} until {record['until']}; {by}; {start(job)}"
    if left is None:
        return "warning", f"{who} until {record['until']}; {by}"
    return "warning", f"{who} until {record['until']}; it has to run again by {latest}"


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
