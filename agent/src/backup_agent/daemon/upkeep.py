"""What the daemon does beside replay: it archives, deletes what is no longer needed, and keeps the alerts that come and go."""

from __future__ import annotations

import contextlib
import time

from pymongo.errors import PyMongoError

from backup_agent.config import Config
from backup_agent.daemon import alerts, history
from backup_agent.daemon.runtime import Runtime
from backup_agent.errors import AccessRefused, NoRoom
from backup_agent.repository.archive import Archiver
from backup_agent.source import certificates
from backup_agent.state.store import Store

ARCHIVE_SECONDS = 2.0
TRIM_SECONDS = 60


class Upkeep:
    """The duties of one job that recur."""

    def __init__(self, config: Config, store: Store) -> None:
        """Nothing is due before the first look."""
        self._config, self._store = config, store
        self._archiver = Archiver(config, store)
        self._trimmed = self._archived = 0.0
        self._refused = True
        """Whether there may be an alert about a source that refuses the agent."""

    def trim(self, runtime: Runtime | None) -> None:
        """Delete what is no longer needed, once a minute. It comes first: it may make the room that the rest needs."""
        if runtime is None or time.monotonic() - self._trimmed <= TRIM_SECONDS:
            return
        self._trimmed = time.monotonic()
        archiving = self._config.archive_interval_minutes > 0
        archived = self._archiver.through(runtime.number) if archiving else None
        # Until a first snapshot is there nothing is archived, and what is older than that snapshot is never needed.
        if archived is not None or not (archiving and self._store.snapshots()):
            runtime.trim_slices(self._config.slice_keep_hours * 3600, archived)
        with contextlib.suppress(NoRoom, OSError, PyMongoError):
            alerts.note_refused_indexes(self._store, runtime.refused_indexes)
            alerts.note_certificates(self._store, certificates.of_job(self._config))
            history.prune(self._config, self._store)
            runtime.head.bound_log()

    def trim_next(self) -> None:
        """Let the next call of `trim` work at once: what an operation leaves behind is told without delay."""
        self._trimmed = 0.0

    def archive(self, runtime: Runtime) -> None:
        """Begin to archive what is due of the current generation."""
        captured = runtime.view.captured
        if captured is not None and time.monotonic() - self._archived > ARCHIVE_SECONDS:
            self._archived = time.monotonic()
            self._archiver.look(runtime.number, captured)

    def note_access(self, runtime: Runtime | None) -> None:
        """Keep the alert about a source that refuses the agent."""
        if runtime is not None and (self._refused or isinstance(runtime.view.problem, AccessRefused)):
            self._refused = alerts.note_access(self._store, runtime.view)

    def stop(self) -> None:
        """End what runs."""
        self._archiver.stop()
