"""Running an operation: its steps in their order, what each of them waits for, and what its end leaves behind."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import Any, Protocol

import structlog

from backup_agent.daemon import steps
from backup_agent.daemon.patience import NEEDED_ROOM, Patience
from backup_agent.errors import AgentError, Canceled, NoRoom, OperationFailed, ResyncRequired, Shutdown, Unsupported
from backup_agent.repository import verification
from backup_agent.state.records import Operation, StepProgress
from backup_agent.state.room import REPOSITORY, Room
from backup_agent.state.store import Store
from backup_agent.sync.initial_sync import SyncWork
from backup_agent.times import now_iso
from backup_agent.values import to_json
from backup_agent.words import words

log = structlog.get_logger(__name__)

SNAPSHOT_ALERT = "snapshot_failed"
WRITE_SECONDS = 1.0
REPORT_MODE = 0o640


class Daemon(SyncWork, Protocol):
    """The daemon as the runner of an operation sees it: what its steps are given, and what happens between them."""

    room: Room

    @property
    def head_died(self) -> bool:
        """Whether a generation is worked on and its head does not run."""

    def wait(self, seconds: float) -> None:
        """Let the other work of the job go on for so long. Raises what `alive` does."""

    def stop_with(self, error: ResyncRequired | Unsupported) -> None:
        """Stop the job and raise the alert that says why."""


class Progress:
    """Progress of one step of one operation: per phase, never going back, written at most once a second."""

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


class Runner:
    """Runs one operation from the first step that is not done. What it has recorded outlives the daemon."""

    def __init__(self, work: Daemon, operation: Operation) -> None:
        """Nothing is run yet. `operation` is the record in the store, and is kept up to date with it."""
        self._work, self._store, self._operation = work, work.store, operation
        self._progress: Progress | None = None
        self._places: tuple[str, ...] = ()
        self.sentence = f"{operation.kind} {operation.id}"
        """What is done at this moment."""

    def run(self) -> str:
        """Run what is left of the operation, and end it; returns a sentence about that.

        Raises NoRoom when it must wait for a disk: what has been recorded stands, and the next run goes on with it.
        """
        self._store.update_operation(self._operation.id, state="running")
        try:
            for step in self._operation.steps:
                if step.state != "done":
                    self._step(step.name)
            return self._finish("done", None)
        except Shutdown:
            return f"{self._operation.id} goes on at the next start"
        except NoRoom:
            raise
        except AgentError as error:
            return self._finish("canceled" if isinstance(error, Canceled) else "failed", error)
        except Exception as error:  # the operation must end, or the daemon would run into it for ever
            log.exception("operation failed unexpectedly", operation=self._operation.id)
            return self._finish("failed", OperationFailed(f"unexpected: {words(error)}"[:500]))

    def _step(self, name: str) -> None:
        self._mark(name, "running", started_at=now_iso())
        self.sentence = f"{self._operation.kind} {self._operation.id}: {name}"
        self._progress = Progress(self._store, self._operation.id, name)
        self._store.update_operation(self._operation.id, progress=None)
        note = self._patiently(name, Patience(self._work.room, name, self._work.wait, self._progress.say))
        if name == "snapshot":
            self._work.room.cleared(REPOSITORY)
        self._mark(name, "done", finished_at=now_iso(), note=note)

    def _patiently(self, name: str, patience: Patience) -> str:
        """Run a step until it is done; what may pass by itself is waited for. Returns its note."""
        while True:
            try:
                self._places = NEEDED_ROOM.get(name, ())
                return steps.STEPS[name](self._work, self._operation)
            except Exception as error:  # noqa: BLE001 - raised again there, unless it may pass by itself
                self._places = ()  # a step that waits writes to no disk
                patience.bear(error, self._work.head_died)
            finally:
                self._places = ()

    def _mark(self, name: str, state: str, **fields: Any) -> None:
        self._operation = self._operation.marked(name, state=state, **fields)
        self._store.update_operation(self._operation.id, steps=self._operation.steps)
        log.info("step", operation=self._operation.id, step=name, state=state, note=fields.get("note"))

    def _finish(self, state: str, error: AgentError | None) -> str:
        running = [step.name for step in self._operation.steps if step.state == "running"]
        if error is not None:
            for name in running:
                self._mark(name, "failed", finished_at=now_iso(), note=error.message)
        work, operation = self._work, self._operation
        if isinstance(error, (ResyncRequired, Unsupported)) and self._store.number("syncing") is None:
            work.stop_with(error)
        put_back(work, operation, succeeded=error is None)
        note_snapshot(work, operation, state, error)
        note_verification(work, operation, state, error)
        write_report(work, operation, state, error)
        self._store.finish_operation(operation.id, state, error)
        return f"{operation.id} {state}" + (f": {error.message}" if error else "")

    # What the daemon passes on from the step that runs -------------------------------------------------------------------

    def report(self, phase: str, done: float, total: float, unit: str, text: str | None) -> None:
        """Note how far the step is."""
        if self._progress is not None:
            self._progress.report(phase, done, total, unit, text)

    def note(self, **result: Any) -> None:
        """Add fields to the operation's result."""
        self._operation = replace(self._operation, result={**self._operation.result, **to_json(result)})
        self._store.update_operation(self._operation.id, result=self._operation.result)

    def require_room(self) -> None:
        """Raise NoRoom when a disk that the step writes to has no room for it."""
        if self._places:
            self._work.room.require(*self._places)

    def require_wanted(self) -> None:
        """Raise Canceled when an operator has asked for the end of the operation."""
        if self._store.operation(self._operation.id).cancel_requested:
            raise Canceled("canceled by an operator")


# What an end leaves behind -------------------------------------------------------------------------------------------------


def put_back(work: SyncWork, operation: Operation, succeeded: bool) -> None:
    """Undo what an operation that ended must not leave behind: its lease, and a generation that did not become the backup."""
    work.store.remove_lease(operation.id)
    syncing = steps.own_generation(work, operation)
    if syncing is not None and not succeeded:
        work.store.retire_generation(syncing.number)
        work.remove_retired()


def note_snapshot(work: SyncWork, operation: Operation, state: str, error: AgentError | None) -> None:
    """Keep the alert about snapshots that fail: raised by a step that failed, closed by the next one that did not."""
    if state == "canceled":
        return
    for step in operation.steps:
        if step.name not in ("snapshot", "prove"):
            continue
        if step.state == "failed" and error is not None:
            work.store.raise_alert(SNAPSHOT_ALERT, step.name, {"message": error.message, "operation": operation.id})
        elif step.state == "done" and step.note != steps.NOT_ASKED_FOR:
            work.store.close_alerts(SNAPSHOT_ALERT, cause=step.name)


def note_verification(work: SyncWork, operation: Operation, state: str, error: AgentError | None) -> None:
    """Raise an alert about a verification that could not run; the next one that ran closes it. Damage has an alert of its own."""
    if operation.kind == "verification" and state == "failed" and not isinstance(error, verification.Damaged):
        detail = {"message": error.message if error else "", "operation": operation.id}
        work.store.raise_alert(verification.ALERT, verification.NOT_RUN, detail)


def write_report(work: SyncWork, operation: Operation, state: str, error: AgentError | None) -> None:
    """Write `reports/<id>.json`: the operation as it ended. Renamed into place, so that a reader never sees half of it."""
    path = work.config.reports / f"{operation.id}.json"
    work.note(report=str(path))
    ended = {**work.store.operation(operation.id).to_json(), "state": state, "finished_at": now_iso()}
    ended["error"] = to_json(error.to_json()) if error else None
    content = json.dumps({"job": work.config.job, "operation": ended}, indent=2, default=str)
    try:
        work.config.reports.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".partial")
        with open(partial, "w", encoding="utf-8") as file:
            file.write(content + "\n")
            file.flush()
            os.fchmod(file.fileno(), REPORT_MODE)
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:  # an operation must end, also on a full disk; the state has all that the report says
        log.error("report not written", path=str(path), reason=str(error))
