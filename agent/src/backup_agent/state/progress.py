"""Progress of a step: per phase, never going back, written at most once a second."""

from __future__ import annotations

import time

from backup_agent.state.store import Store
from backup_agent.values import Json

WRITE_SECONDS = 1.0


class Progress:
    """Progress of one step of one operation."""

    def __init__(self, store: Store, operation: str, step: str) -> None:
        """The step has just begun (again)."""
        self._store, self._operation, self._step = store, operation, step
        self._phase: str | None = None
        self._began = self._written = 0.0
        self._percent = self._first = 0.0
        self._last: Json | None = None

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
        self._write(
            {
                "step": self._step,
                "phase": phase,
                "percent": round(self._percent, 1),
                "done": done,
                "total": total,
                "unit": unit,
                "rate_per_second": round(rate, 1) if rate is not None else None,
                "eta_seconds": int(eta) if eta is not None and eta >= 0 else None,
                "text": text,
            }
        )

    def say(self, text: str) -> None:
        """Put a sentence beside the progress, at once."""
        nothing = {"step": self._step, "phase": self._step, "percent": 0.0, "done": 0, "total": 0, "unit": ""}
        self._write({**nothing, "rate_per_second": None, "eta_seconds": None, **(self._last or {}), "text": text})

    def _write(self, progress: Json) -> None:
        self._last, self._written = progress, time.monotonic()
        self._store.update_operation(self._operation, progress=progress)
