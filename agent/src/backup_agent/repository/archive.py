"""Captured oplog in the repository: slices are stored beside the snapshots, so that losing the agent's machine loses little.

Each upload is a restic snapshot of the generation's slices, tagged with the optimes that it covers, so that what can be restored
is known from the repository alone. It runs in a thread of its own: neither capture nor apply waits for it.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from bson.timestamp import Timestamp

from backup_agent.capture.slices import files, first_timestamp
from backup_agent.config import Config
from backup_agent.errors import AgentError, NoRoom, Shutdown, Transient
from backup_agent.repository import agreement
from backup_agent.repository.inventory import SLICES, Archive, Archived, Line, archived, inventory, origin, own, stamp
from backup_agent.repository.restic import Restic, Stored
from backup_agent.state.store import Store
from backup_agent.times import lately, now_iso
from backup_agent.words import words

log = structlog.get_logger(__name__)

ALERT = "archive"
RETRY_SECONDS = 60
OVERDUE_INTERVALS = 3
"""After this many intervals without an upload an alert is raised. A repository that is busy for a while raises none."""

STALLED_SECONDS = 1800
"""An upload that reads nothing for this long is ended and begun again. restic itself repeats a request for 15 minutes."""


def needed(archives: Sequence[Archive], snapshots: Mapping[Line, Timestamp]) -> set[str]:
    """Return the ids of the archives to keep: the fewest that cover everything since the oldest snapshot of their generation.

    `snapshots` gives, by their line, from where the oldest kept snapshot reads. Where there is a gap, both sides are kept. Pure.
    """
    kept: set[str] = set()
    for line, since in snapshots.items():
        ours = sorted((a for a in archives if a.line == line), key=lambda a: (a.through, a.first))
        while ours:
            newest = ours.pop()
            kept.add(newest.id)
            if newest.first <= since:
                break
            joining = [a for a in ours if a.through >= newest.first]
            if joining:
                best = min(joining, key=lambda a: a.first)
                ours = [a for a in ours if a.through <= best.through and a is not best] + [best]
    return kept


@dataclass(frozen=True)
class _Upload:
    """What one upload is to store."""

    generation: int
    first: Timestamp
    through: Timestamp


class Archiver:
    """Stores the slices of the current generation on an interval."""

    def __init__(self, config: Config, store: Store) -> None:
        """Nothing runs yet."""
        self._config, self._store = config, store
        self._restic = Restic(config.repository, config.directory / "restic-cache")
        self._thread: threading.Thread | None = None
        self._upload: _Upload | None = None
        self._stopping = threading.Event()
        self._began = self._moved = 0.0
        self._bytes = 0
        self._unrecorded_at = self._compared_at = -math.inf

    def look(self, generation: int, captured: Timestamp) -> None:
        """Begin an upload when one is due and none runs. Cheap: called every few seconds."""
        if self._thread is not None and self._thread.is_alive():
            self._judge_running()
            return
        self._upload = None
        slices = self._config.generation_directory(generation) / SLICES
        if self._due(self._last, generation, captured) and (found := files(slices)):
            self._upload = _Upload(generation, first_timestamp(found[0]), captured)
            self._start(self._run, self._upload)
        elif self._may_compare() and agreement.due(self._store):
            self._start(self._compare)

    def _start(self, target: Callable[..., None], *arguments: _Upload) -> None:
        self._began = self._moved = time.monotonic()
        self._bytes = 0
        self._thread = threading.Thread(target=target, args=arguments, name="archive", daemon=True)
        self._thread.start()

    def _may_compare(self) -> bool:
        """Whether the repository may be asked: not soon again after it gave no answer."""
        return time.monotonic() - self._compared_at > RETRY_SECONDS

    def _compare(self) -> None:
        """See whether the repository has what the state says."""
        self._compared_at = time.monotonic()
        try:
            for problem in agreement.compare(self._store, self._restic, self._config.job, self._alive):
                log.error(agreement.ALERT, reason=problem)
        except Shutdown:
            pass
        except Exception as error:  # the thread must leave a trace of whatever ended it, above all of what is forged
            log.warning(
                "repository not compared", reason=words(error)[:300], exc_info=not isinstance(error, AgentError)
            )
            with contextlib.suppress(AgentError, sqlite3.Error):  # the state's own disk is full, for one
                agreement.not_compared(self._store, error)

    @property
    def _last(self) -> Archived:
        return archived(self._store)

    def _judge_running(self) -> None:
        """Raise the alert also for an upload that does not end. A first one after a long pause is given an interval."""
        running = time.monotonic() - self._began
        if self._upload is not None and running > self._config.archive_interval_minutes * 60:
            with contextlib.suppress(NoRoom):  # has an alert of its own
                self._alarm(self._last, f"an upload has been running for {int(running)} s")

    def _due(self, last: Archived, generation: int, captured: Timestamp) -> bool:
        if self._config.archive_interval_minutes <= 0:
            return False
        if time.monotonic() - self._unrecorded_at < RETRY_SECONDS:
            return False
        if last.tried_at is not None and lately(last.tried_at, RETRY_SECONDS) and not last.ok:
            return False
        snapshots = self._store.snapshots()
        if not any(s.generation == generation for s in snapshots):
            return False  # without a snapshot there is nothing to apply them to
        if last.generation != generation or last.through is None:
            return True
        if last.through >= captured:
            return False
        fresh = last.at is not None and lately(last.at, self._config.archive_interval_minutes * 60)
        # A new snapshot is not left alone: what follows it is stored at once, so that it begins a range.
        return not fresh or snapshots[0].optime > last.through

    def _run(self, upload: _Upload) -> None:
        try:
            stored = self._store_slices(upload)
            # Read now, not before the upload: whoever compared or accepted the repository meanwhile has changed it.
            at, last = now_iso(), self._last
            ids = None if last.adopts else (*(last.ids or ()), stored.restic_id)
            self._store.observe("archive", Archived(upload.generation, upload.through, at, at, ok=True, ids=ids))
            self._store.close_alerts(ALERT)
        except Shutdown:
            pass  # it did not fail: the next start begins it again at once
        except AgentError as error:
            self._failed(error.message)
        except Exception as error:  # the thread must leave a trace of whatever ended it
            log.exception("archive")
            self._failed(words(error)[:300])
        else:
            self._forget()

    def _failed(self, reason: str) -> None:
        log.warning("archive", reason=reason)
        try:
            last = self._last
            self._store.observe("archive", replace(last, tried_at=now_iso(), ok=False, reason=reason))
            self._alarm(last, reason)
        except (AgentError, sqlite3.Error) as error:  # the state's own disk is full, for one
            log.warning("archive", reason=f"not recorded: {error}")
            self._unrecorded_at = time.monotonic()

    def _store_slices(self, upload: _Upload) -> Stored:
        agreement.require_same(self._store, self._restic, self._alive)
        return self._restic.backup(
            self._config.generation_directory(upload.generation),
            [SLICES],
            host=self._config.job,
            tags=[
                f"job={self._config.job}",
                *origin(self._store, upload.generation),
                f"kind={SLICES}",
                f"first={stamp(upload.first)}",
                f"through={stamp(upload.through)}",
            ],
            progress=self._progress,
            tick=self._alive,
        )

    def _forget(self) -> None:
        """Forget what no kept snapshot needs; the next removal of a snapshot gives the room back.

        What the agent has not stored itself is neither forgotten nor counted. What fails here, for one because somebody reads the
        repository, is done after the next upload.
        """
        self._moved = time.monotonic()
        try:
            found = inventory(self._restic, self._config.job, self._alive, self._store.identity)
            oldest: dict[Line, Timestamp] = {}
            for snapshot in found.snapshots:
                since = oldest.get(snapshot.line, snapshot.reads_from)
                oldest[snapshot.line] = min(since, snapshot.reads_from)
            ours = own(found.archives, self._last)
            self._store.observe("archive", replace(self._last, ids=tuple(a.id for a in ours)))
            kept = needed(ours, oldest)
            self._restic.forget([a.id for a in ours if a.id not in kept], self._alive, prune=False)
        except Shutdown:
            pass
        except Exception as error:  # the upload itself is stored and noted: whatever it is must not take that back
            log.warning("archive", reason=words(error)[:300], exc_info=not isinstance(error, AgentError))

    def _alarm(self, last: Archived, reason: str) -> None:
        snapshots = self._store.snapshots()
        since = last.at or (snapshots[0].created_at if snapshots else now_iso())
        if not lately(since, OVERDUE_INTERVALS * self._config.archive_interval_minutes * 60):
            detail = f"no captured oplog was stored in the repository since {since}: {reason}"
            self._store.raise_alert(ALERT, "overdue", {"message": detail})

    def _progress(self, done: int, _total: int) -> None:
        if done != self._bytes:
            self._bytes, self._moved = done, time.monotonic()

    def _alive(self) -> None:
        if self._stopping.is_set():
            raise Shutdown("the daemon is stopping")
        if time.monotonic() - self._moved > STALLED_SECONDS:
            raise Transient(
                f"expected restic to get on, found it doing nothing for {STALLED_SECONDS} s; see the repository"
            )

    def stop(self) -> None:
        """End an upload that runs."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def through(self, generation: int) -> Timestamp | None:
        """Return up to where a generation's oplog is in the repository: older slices may be deleted here.

        While an upload runs that is where it begins: what it says that it holds must be there until it has been read. Called by
        the thread that calls `look`, or it would be too late.
        """
        if self._upload is not None and self._upload.generation == generation:
            if self._thread is not None and self._thread.is_alive():
                return self._upload.first
            self._upload = None
        last = self._last
        return last.through if last.generation == generation else None
