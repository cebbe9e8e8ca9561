"""`watch`: does each agent of this machine run? If it is away for maintenance, by when has it to run again?

It only looks: no file is made or changed, so it may run as the agents' user or as root.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from bson.timestamp import Timestamp

from backup_agent.config import Config, load
from backup_agent.errors import AgentError, BadConfiguration
from backup_agent.source.certificates import Certificate, Certificates
from backup_agent.source.oldest import Estimate, Oldest, ask, estimate
from backup_agent.state import maintenance
from backup_agent.state.maintenance import Maintenance
from backup_agent.state.records import Alert
from backup_agent.state.store import Store, daemon_alive
from backup_agent.times import age_seconds, iso_in, seconds_until, show
from backup_agent.values import Json, Record

OK, WARNING, CRITICAL = "ok", "warning", "critical"
LEVELS = (OK, WARNING, CRITICAL)

AT_ONCE = 8
"""How many jobs are checked at the same time. Each may wait for members that do not answer."""


@dataclass(frozen=True, slots=True)
class Finding(Record):
    """What was found of one job."""

    DERIVED: ClassVar = ("seconds_left",)

    job: str
    level: str
    text: str
    alive: bool | None = None
    maintenance: Maintenance | None = None
    latest_safe_restart: str | None = None
    """While it is down under a record: the earlier one of the record's and the one that was calculated now."""
    decided_by: str | None = None
    """`record` or `source`."""
    lost: bool = False
    certificates: tuple[Certificate, ...] = ()
    source: Json | None = None

    @property
    def seconds_left(self) -> int | None:
        """Return how long it is until the latest safe restart: below 0 when that has passed, None when it is not known."""
        return None if self.latest_safe_restart is None else seconds_until(self.latest_safe_restart)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the state of a job says."""

    record: Maintenance | None = None
    captured: Timestamp | None = None
    lost: Alert | None = None
    """The alert that a resync is required, if it is open."""
    certificates: tuple[Certificate, ...] = ()


def files(directory: Path) -> list[Path]:
    """Return the configurations of the jobs. Raises BadConfiguration when the directory cannot be read."""
    try:
        return sorted(path for path in directory.iterdir() if path.suffix == ".yml")
    except OSError as error:
        raise BadConfiguration(
            f"expected the directory with the configurations of the jobs, found {directory}: {error.strerror}; "
            "name it with --directory"
        ) from error


def watch(paths: Iterable[Path], late_seconds: float) -> list[Finding]:
    """Check all of these jobs."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda path: look(path, late_seconds), paths))


def look(path: Path, late_seconds: float) -> Finding:
    """Check the job of one configuration file. Something that can't be read is a warning, and never an error."""
    job = path.stem
    try:
        config = load(path)
        job = config.job
        alive = daemon_alive(config)
        stored = _stored(config)
    except AgentError as error:
        return Finding(job, WARNING, f"nothing is known: {error.message}")
    except (OSError, sqlite3.Error) as error:
        return Finding(job, WARNING, f"nothing is known: {error}; run this as the user of the agent, or as root")
    found = _running(job, stored) if alive else _down(config, stored, late_seconds)
    found = replace(found, certificates=stored.certificates)
    if stored.lost is not None:
        since = f"since {stored.lost.since} ({stored.lost.cause})"
        text = f"Resync Required {since}; run: {maintenance.resync(job)}"
        return replace(found, level=CRITICAL, text=text, lost=True)
    return found


def _stored(config: Config) -> _Stored:
    if not config.state_file.exists():
        return _Stored()
    with contextlib.closing(Store(config.state_file, reading=True)) as store, store.at_one_moment():
        record = store.maintenance()
        # A daemon that ran on after the record was written has captured more since.
        captured = store.live().captured or (record.captured if record else None)
        lost = next((alert for alert in store.alerts() if alert.kind == "resync_required"), None)
        certificates = (store.observed("certificate", Certificates) or Certificates()).files
        return _Stored(record, captured, lost, certificates)


def _running(job: str, stored: _Stored) -> Finding:
    record = stored.record
    if record is not None and record.overdue:
        return Finding(job, WARNING, f"the agent runs, but {record.never_ended()}", True, record)
    under = f"; maintenance of {record.owner} ({record.reason}) until {record.until}" if record else ""
    return Finding(job, OK, f"the agent runs{under}", True, record)


def _down(config: Config, stored: _Stored, late_seconds: float) -> Finding:
    record = stored.record
    if record is None:
        text = f"the agent is down, and no maintenance is recorded; {maintenance.start(config.job)}"
        return Finding(config.job, CRITICAL, text, False)
    oldest = ask(config)
    estimated = estimate(oldest, stored.captured, record.oldest, age_seconds(record.began_at))
    latest, by = _latest(record, estimated)
    source = {**oldest.to_json(), **estimated.to_json()}
    found = Finding(config.job, OK, "", False, record, latest, by, source=source)
    if stored.captured is not None and oldest.lost(stored.captured):
        text = (
            f"Resync Required: the oldest oplog entry of every member is after what was captured ({show(stored.captured)}); "
            f"run: {maintenance.resync(config.job)}"
        )
        return replace(found, level=CRITICAL, text=text, lost=True)
    return _judged(config.job, found, stored, oldest, estimated, late_seconds)


def _latest(record: Maintenance, estimated: Estimate) -> tuple[str | None, str | None]:
    """Return by when the agent has to run again, and what says so."""
    recorded = record.latest_safe_restart
    if estimated.left_seconds is None:
        return recorded, "record" if recorded else None
    live = iso_in(estimated.left_seconds)
    return (recorded, "record") if recorded is not None and recorded <= live else (live, "source")


def _judged(
    job: str, found: Finding, stored: _Stored, oldest: Oldest, estimated: Estimate, late_seconds: float
) -> Finding:
    """Judge an agent that is down, and whose cursor is not known to be lost."""
    assert found.maintenance is not None
    level, text = maintenance.down(job, found.maintenance, found.latest_safe_restart, found.seconds_left, late_seconds)
    doubts = _doubts(stored, oldest)
    if level == WARNING and found.seconds_left is not None and not doubts:
        level = OK
    holders = oldest.holders(stored.captured) if stored.captured is not None else []
    if holders and holders == [oldest.primary] and not oldest.silent and len(oldest.entries) > 1:
        level = CRITICAL
        doubts.append(
            "only the primary, which the agent does not read from, has the entry that is needed: make it step down"
        )
    silent = oldest.why_silent() if oldest.answered else ""
    notes = [_basis(found, estimated), *doubts, silent]
    return replace(found, level=level, text="; ".join([text, *(note for note in notes if note)]))


def _doubts(stored: _Stored, oldest: Oldest) -> list[str]:
    """Return what is unknown and counts as a warning."""
    if not oldest.answered:
        return [
            f"{oldest.why_silent() or 'no member could be asked'}, so only the record says how long the agent can wait"
        ]
    if stored.captured is None:
        return ["the last captured entry is not known, so only the record says how long the agent can wait"]
    return []


def _basis(found: Finding, estimated: Estimate) -> str:
    """Return what a time that was estimated now comes from."""
    if found.decided_by != "source" or estimated.headroom_seconds is None:
        return ""
    if estimated.left_seconds == 0 or estimated.rate is None:
        return "no member that answered has the entry that is needed next"
    headroom = maintenance.span(estimated.headroom_seconds)
    return f"the source reaches back {headroom} further, and loses {estimated.rate:.3g} s of that each second"


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst level. A machine whose jobs are yet to come, or have been removed, is in order."""
    return max((found.level for found in findings), key=LEVELS.index, default=OK)
