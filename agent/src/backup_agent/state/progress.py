"""Progress of a step: per phase, never going back, written at most once a second."""

from __future__ import annotations

import time
from dataclasses import replace

from backup_agent.state.records import StepProgress
from backup_agent.state.store import Store

WRITE_SECONDS = 1.0


class Progress:
    """Progress of one step of one operation."""

    def __init__(self, store: Store, operation: str, step: str) -> None:
        """The step has just begun (again)."""
        self._store, self._operation, self._step = store, operation, step
        self._phase: str | None = None
        self._began = self._written = 0.0
        self._percent = self._first = 0.0
        self._last: StepProgress | None = None

    def report(self, phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
        """Note how far the phase is; the percentage never falls inside one phase."""
        now = time.monotonic()
        if phase != self._phase:
            self._phase, self._began, self._percent, self._first, self._written = phase, now, 0.0, done, 0.0
        percent = 100.0 if total <= 0 else min(100.0, 100.0 * done / total)
        self._percent = max(self._percent, percent)
        if now - self._written < WRITE_SECONDS:
            return
        seconds = now - self._began
        rate = (done - self._first) / seconds if seconds > 1 else None
        eta = (total - done) / rate if rate and rate > 0 else None
        rounded = None if rate is None else round(rate, 1)
        left = int(eta) if eta is not None and eta >= 0 else None
        self._write(StepProgress(self._step, phase, round(self._percent, 1), done, total, unit, rounded, left, text))

    def say(self, text: str) -> None:
        """Put a sentence beside the progress, at once."""
        self._write(replace(self._last or StepProgress(self._step, self._step), text=text))

    def _write(self, progress: StepProgress) -> None:
        self._last, self._written = progress, time.monotonic()
        self._store.update_operation(self._operation, progress=progress)
