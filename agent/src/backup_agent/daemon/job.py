"""The job: what the daemon does in one cycle, and what it gives to the steps of an operation.

Everything that touches the head or the store's observed values happens in the one thread that calls `cycle`. Only capture and
the readers of a copy run beside it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from typing import Any

import structlog
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent import __version__
from backup_agent.config import Config
from backup_agent.daemon import steps
from backup_agent.daemon.patience import NEEDED_ROOM, Patience
from backup_agent.daemon.runtime import Runtime
from backup_agent.daemon.status import live
from backup_agent.errors import (
    AgentError,
    BadConfiguration,
    Canceled,
    NoRoom,
    OperationFailed,
    ResyncRequired,
    Shutdown,
    Transient,
    Unsupported,
)
from backup_agent.head import HeadFailed, Mongod
from backup_agent.repository import snapshot, verification
from backup_agent.repository.archive import Archiver
from backup_agent.source.connections import SourceSet
from backup_agent.state.progress import Progress
from backup_agent.state.room import REPOSITORY, Room
from backup_agent.state.store import Store
from backup_agent.times import OpTime, age_seconds, now_iso, show, timestamp_from_json
from backup_agent.values import Json

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
PAUSE_ATTEMPT_SECONDS = 120
TRIM_SECONDS = 60
SCHEDULE_RETRY_SECONDS = 900
"""A snapshot that failed is not tried again by the schedule before this."""


class Job:
    """One replica set's backup; implements `initial_sync.SyncWork`."""

    def __init__(self, config: Config, store: Store) -> None:
        """Nothing is started yet."""
        self.config, self.store = config, store
        self.sources = SourceSet(config)
        self.room = Room(config, store)
        self.halt = threading.Event()
        self._archiver = Archiver(config, store)
        self._runtime: Runtime | None = None
        self._operation: Json | None = None
        self._places: tuple[str, ...] = ()
        self._progress: Progress | None = None
        self._beaten = self._trimmed = 0.0
        self._sentence = "starting"
        self._started_at = now_iso()
        if any(alert["kind"] == "stopped" for alert in store.alerts()):
            store.close_alerts("stopped")  # a newer version may replay what an older one could not

    # The cycle --------------------------------------------------------------------------------------------------------

    def cycle(self) -> str:
        """Do what is due and return one sentence about it."""
        self.room.look()
        operation = self.store.open_operation()
        try:
            self._sentence = self._run_operation(operation) if operation is not None else self._idle_cycle()
        except NoRoom as error:
            self.room.note(error)
            self._trim()  # what is no longer needed may be what fills the disk
            self.halt.wait(0.5)
            self._sentence = f"waiting: {error.message}"
        self._beat(force=True)
        return self._sentence

    def _idle_cycle(self) -> str:
        current = self.store.generation("current")
        if current is None:
            return self._first_sync()
        stopping = [a for a in self.store.alerts() if a["kind"] in ("resync_required", "stopped")]
        if stopping:
            self.stop_runtime()
            return f"stopped: {stopping[0]['cause']}; waiting for a resync"
        try:
            self._ensure_running(current)
            sentence = self._tail()
        except (ResyncRequired, Unsupported) as error:
            self.stop_with(error)
            return f"stopped: {error.message}"
        except NoRoom:
            raise
        except (Transient, HeadFailed, PyMongoError) as error:
            self.halt.wait(0.5)
            return f"waiting: {str(error)[:500]}"
        return self._take_scheduled() or self._verify_scheduled() or sentence

    def _first_sync(self) -> str:
        last = self.store.newest_operation("initial_sync", "resync")
        if last is not None and last["state"] in ("failed", "canceled"):
            return f"no backup yet: {last['id']} {last['state']}; start a resync when its cause is gone"
        operation, _ = self.store.start_operation("initial_sync", "agent", "the job has no backup yet")
        return f"queued {operation['id']}"

    def _ensure_running(self, current: Json) -> None:
        runtime = self._runtime_of(current["number"])
        problem = runtime.view.problem
        if isinstance(problem, (ResyncRequired, BadConfiguration)):
            if isinstance(problem, ResyncRequired):
                raise problem
            log.error("capture", reason=problem.message)
        runtime.start_head()
        start, since = timestamp_from_json(current["sync"]["start"]), timestamp_from_json(current["sync"]["tc"])
        assert start is not None
        assert since is not None
        runtime.begin_capture(start)
        if runtime.applied is None:
            snapshot.ensure_unlocked(runtime.head.client)
            runtime.begin_apply(since)

    def _tail(self) -> str:
        assert self._runtime is not None
        deadline = time.monotonic() + BEAT_SECONDS
        while self._runtime.apply() and time.monotonic() < deadline and not self.halt.is_set():
            pass
        self._trim()
        view = self._runtime.view
        if view.problem is not None:
            return f"tailing, but capture waits: {view.problem.message}"
        captured = show(view.captured.ts if view.captured else None)
        applied = self._runtime.applied
        return f"tailing {view.member}: captured {captured}, applied {show(applied.ts if applied else None)}"

    def _trim(self) -> None:
        if self._runtime is not None and time.monotonic() - self._trimmed > TRIM_SECONDS:
            self._trimmed = time.monotonic()
            archived = self._archiver.through(self._runtime.number) if self.config.archive_interval_minutes else None
            # Until a first snapshot is there nothing is archived, and what is older than that snapshot is never needed.
            waiting = self.config.archive_interval_minutes > 0 and bool(self.store.snapshots())
            if archived is not None or not waiting:
                self._runtime.trim_slices(self.config.slice_keep_hours * 3600, archived)

    def _take_scheduled(self) -> str | None:
        if self.store.leases() or not snapshot.due(
            self.store.snapshots(), self.config.snapshots.interval_hours, datetime.now(UTC)
        ):
            return None
        failed = self.store.newest_operation("snapshot", state="failed")
        if failed is not None and age_seconds(failed["finished_at"]) < SCHEDULE_RETRY_SECONDS:
            return None
        name = f"scheduled-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        params = {"name": name, "prove": self.config.snapshots.prove}
        operation, _ = self.store.start_operation("snapshot", "schedule", "the interval has passed", params)
        return f"queued {operation['id']}"

    def _verify_scheduled(self) -> str | None:
        if not verification.due(self.store, self.config.verify_interval_hours):
            return None
        operation, _ = self.store.start_operation("verification", "schedule", "the interval has passed")
        return f"queued {operation['id']}"

    def stop_with(self, error: ResyncRequired | Unsupported) -> None:
        """Stop the job and raise the alert that says why."""
        kind, cause = ("resync_required", error.cause) if isinstance(error, ResyncRequired) else ("stopped", error.code)
        if self.store.raise_alert(kind, cause, {"message": error.message, **error.details}):
            log.error(kind, cause=cause, reason=error.message)
        self.stop_runtime()

    # Operations -------------------------------------------------------------------------------------------------------

    def _run_operation(self, operation: Json) -> str:
        identifier = operation["id"]
        self._operation = operation
        self.store.update_operation(identifier, state="running")
        try:
            for step in operation["steps"]:
                if step["state"] != "done":
                    self._run_step(operation, step["name"])
            return self._finish("done", None)
        except Shutdown:
            return f"{identifier} goes on at the next start"
        except NoRoom:  # what the step has recorded stands: the next cycle goes on with it
            raise
        except Canceled as error:
            return self._finish("canceled", error)
        except AgentError as error:
            return self._finish("failed", error)
        except Exception as error:  # the operation must end, or the daemon would run into it for ever
            log.exception("operation failed unexpectedly", operation=identifier)
            return self._finish("failed", OperationFailed(f"unexpected: {type(error).__name__}: {error}"[:500]))
        finally:
            self._operation = self._progress = None

    def _run_step(self, operation: Json, name: str) -> None:
        self._mark(operation, name, "running", started_at=now_iso())
        self._sentence = f"{operation['kind']} {operation['id']}: {name}"
        self._progress = Progress(self.store, operation["id"], name)
        self.store.update_operation(operation["id"], progress=None)
        patience = Patience(self.room, name, self._wait, self._progress.say)
        while True:
            try:
                self._places = NEEDED_ROOM.get(name, ())
                note = steps.STEPS[name](self, operation)
                break
            except Exception as error:  # noqa: BLE001 - raised again there, unless it may pass by itself
                self._places = ()
                patience.bear(error, self._runtime is not None and not self._runtime.head.alive)
        self._places = ()
        if name == "snapshot":
            self.room.cleared(REPOSITORY)
        self._mark(operation, name, "done", finished_at=now_iso(), note=note)

    def _mark(self, operation: Json, name: str, state: str, **fields: Any) -> None:
        step = next(s for s in operation["steps"] if s["name"] == name)
        step |= {"state": state, **fields}
        self.store.update_operation(operation["id"], steps=operation["steps"])
        log.info("step", operation=operation["id"], step=name, state=state, note=fields.get("note"))

    def _finish(self, state: str, error: AgentError | None) -> str:
        assert self._operation is not None
        operation = self._operation
        if error is not None:
            for step in operation["steps"]:
                if step["state"] == "running":
                    self._mark(operation, step["name"], "failed", finished_at=now_iso(), note=error.message)
        if isinstance(error, (ResyncRequired, Unsupported)) and not self._syncing:
            self.stop_with(error)
        steps.put_back(self, operation, succeeded=error is None)
        steps.note_snapshot(self, operation, state, error)
        steps.note_verification(self, operation, state, error)
        steps.write_report(self, operation, state, error)
        self.store.finish_operation(operation["id"], state, error.as_json() if error else None)
        return f"{operation['id']} {state}" + (f": {error.message}" if error else "")

    @property
    def _syncing(self) -> bool:
        return self.store.generation("syncing") is not None

    # The runtime ------------------------------------------------------------------------------------------------------

    def _runtime_of(self, number: int) -> Runtime:
        if self._runtime is not None and self._runtime.number != number:
            self.stop_runtime()
        if self._runtime is None:
            self._runtime = Runtime(self.config, self.sources, number, self.room)
            self.room.generation = number
        return self._runtime

    def use_generation(self, number: int) -> None:
        """Work on this generation from now on: what runs of another one is stopped, the head is started."""
        self._runtime_of(number).start_head()

    def use_current(self) -> None:
        """Make sure that the current generation runs. Raises OperationFailed when the job has none or is stopped."""
        current = self.store.generation("current")
        if current is None:
            raise OperationFailed("expected a backup, the job has none yet; wait for its initial sync")
        alerts = [a["cause"] for a in self.store.alerts() if a["kind"] in ("resync_required", "stopped")]
        if alerts:
            raise OperationFailed(f"expected a job that is in sync, it is stopped ({alerts[0]}); resync it first")
        self._ensure_running(current)

    def stop_runtime(self) -> None:
        """Stop capture and the head."""
        if self._runtime is not None:
            self._runtime.stop()
            self._runtime = None

    def remove_retired(self) -> None:
        """Delete the files of generations that are no longer needed."""
        for number in self.store.retired_generations():
            if self._runtime is not None and self._runtime.number == number:
                self.stop_runtime()
            Runtime(self.config, self.sources, number, self.room).remove()

    def close(self) -> None:
        """Stop everything."""
        self._archiver.stop()
        self.stop_runtime()
        self.sources.close()

    # What steps are given (work.Work and initial_sync.SyncWork) --------------------------------------------------------------

    @property
    def _running(self) -> Runtime:
        if self._runtime is None:
            raise Transient("expected a running generation, found none")
        return self._runtime

    @property
    def generation(self) -> int:
        """The number of the generation that is worked on."""
        return self._running.number

    @property
    def head(self) -> Mongod:
        """The head of that generation."""
        return self._running.head

    def source_member(self) -> str:
        """Return the secondary to read from. Raises Transient when there is none."""
        topology = self.sources.topology()
        chosen = topology.choose()
        if chosen is None:
            raise Transient(f"expected a secondary to read from, found none: {topology.why()}")
        return chosen.member

    def pause_at_latest(self) -> OpTime:
        """Apply what has been captured and return where the head stands: between transactions, none prepared."""
        deadline = time.monotonic() + PAUSE_ATTEMPT_SECONDS
        while time.monotonic() < deadline:
            self._raise_problem()
            captured = self._running.view.captured
            while captured is not None and self._apply(captured.ts):
                self.alive()
            applied = self._running.applied
            if (
                captured is not None
                and applied is not None
                and applied.ts >= captured.ts
                and self._running.between_transactions
            ):
                return applied
            self.alive()
            time.sleep(0.1)
        raise Transient(f"expected a moment without a prepared transaction in {PAUSE_ATTEMPT_SECONDS} s, found none")

    def _raise_problem(self) -> None:
        problem = self._running.view.problem
        if isinstance(problem, ResyncRequired):
            raise problem

    def _apply(self, until: Timestamp | None = None) -> bool:
        done = self._running.apply(until)
        self._beat()
        return done

    def apply_some(self) -> None:
        """Apply at most one batch, and look after the daemon's other duties."""
        self._apply()

    def apply_until(self, until: Timestamp) -> bool:
        """Apply one batch of entries up to `until`."""
        return self._apply(until)

    def begin_capture(self, start: Timestamp) -> None:
        """Begin capturing into the generation's slices."""
        self._running.begin_capture(start)

    def begin_apply(self, since: Timestamp) -> None:
        """Begin applying at the stored position."""
        self._running.begin_apply(since)

    def become_strict(self) -> None:
        """Store that the head is consistent."""
        self._running.become_strict()

    def capture_problem(self) -> AgentError | None:
        """Return why capture cannot go on, or None."""
        return self._running.view.problem

    def captured(self) -> OpTime | None:
        """Return the last captured optime."""
        return self._running.view.captured

    def applied(self) -> OpTime | None:
        """Return the applied optime."""
        return self._running.applied

    def tick(self, phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
        """Report progress. Raises Canceled or Shutdown when the step must end."""
        if self._progress is not None:
            self._progress.report(phase, done, total, unit, text)
        self.alive()

    def alive(self) -> None:
        """Raise Canceled or Shutdown when the step must end, NoRoom when it must wait."""
        self._beat()
        if self.halt.is_set():
            raise Shutdown("the daemon is stopping")
        if self._places:
            self.room.require(*self._places)

    def note(self, **result: Any) -> None:
        """Add fields to the operation's result."""
        if self._operation is not None:
            self._operation["result"] |= result
            self.store.update_operation(self._operation["id"], result=self._operation["result"])

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.alive()
            if self._tails():
                self._raise_problem()
                with contextlib.suppress(Transient):
                    self._running.apply()
                self._trim()
            time.sleep(0.1)

    def begin_beside(self) -> None:
        """Let the current generation run beside a step that does not need it, if it can."""
        with contextlib.suppress(Transient, ResyncRequired, Unsupported, OperationFailed, HeadFailed, PyMongoError):
            self.use_current()

    def go_on_beside(self) -> None:
        """Apply a batch where the current generation runs. Its troubles are not the step's: the next cycle meets them again.

        Raises Canceled or Shutdown when the step must end.
        """
        self.alive()
        if self._tails():
            with contextlib.suppress(Transient, ResyncRequired, Unsupported, HeadFailed, PyMongoError):
                self._running.apply()
                self._trim()

    def _tails(self) -> bool:
        """Whether the current generation runs beside the step: a step that waits must not keep it from its oplog."""
        current = self.store.generation("current")
        return current is not None and self._runtime is not None and self._runtime.number == current["number"]

    def _beat(self, force: bool = False) -> None:
        """Once a second: write what is observed, and see whether the operation was canceled."""
        if not force and time.monotonic() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = time.monotonic()
        agent = {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self._started_at,
            "cycle_at": now_iso(),
            "cycle": self._sentence,
        }
        number = self._runtime.number if self._runtime else None
        view = self._runtime.view if self._runtime else None
        applied = self._runtime.applied if self._runtime else None
        self.room.look()
        if view is not None and isinstance(view.problem, NoRoom):
            self.room.note(view.problem)
        with contextlib.suppress(NoRoom):  # `status` says itself that this is old
            self.store.observe("live", {"agent": agent, **live(number, view, applied)})
        if self._tails() and number is not None and view is not None and view.captured is not None:
            self._archiver.look(number, view.captured.ts)
        if self._operation is not None and self.store.operation(self._operation["id"])["cancel_requested"]:
            raise Canceled("canceled by an operator")
