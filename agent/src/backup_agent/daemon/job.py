"""The job: what the daemon does in one cycle, and what it gives to an operation that runs.

Everything that touches the head or the store's observed values happens in the one thread that calls `cycle`. Only capture and
the readers of a copy run beside it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import Any

import structlog
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent import __version__
from backup_agent.capture.capture import View
from backup_agent.config import Config
from backup_agent.daemon import schedule
from backup_agent.daemon.operations import Runner
from backup_agent.daemon.runtime import Runtime
from backup_agent.daemon.status import live
from backup_agent.daemon.upkeep import Upkeep
from backup_agent.errors import (
    AgentError,
    NoRoom,
    OperationFailed,
    ResyncRequired,
    Shutdown,
    Transient,
    Unsupported,
)
from backup_agent.head import HeadFailed, Mongod
from backup_agent.repository import snapshot
from backup_agent.source.connections import SourceSet
from backup_agent.state.records import Agent, Operation
from backup_agent.state.room import Room
from backup_agent.state.store import Store
from backup_agent.times import OpTime, now_iso, show
from backup_agent.words import words

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.5
"""How soon the daemon sees what it is told by a command."""
REST_SECONDS = 2.0
"""How soon it sees everything else while there is nothing to do."""
PAUSE_ATTEMPT_SECONDS = 120


class Job:
    """One replica set's backup; implements `operations.Daemon`."""

    def __init__(self, config: Config, store: Store) -> None:
        """Nothing is started yet."""
        self.config, self.store = config, store
        self.sources = SourceSet(config)
        self.room = Room(config, store)
        self.halt = threading.Event()
        self._upkeep = Upkeep(config, store)
        self._runtime: Runtime | None = None
        self._runner: Runner | None = None
        self._beaten = self._asked = self._measured = 0.0
        self._sentence = "starting"
        self._pause = LOOK_SECONDS
        """How long the next rest is."""
        self._started_at = now_iso()
        if any(alert.kind == "stopped" for alert in store.alerts()):  # no write for nothing: the disk may be full
            store.close_alerts("stopped")  # a newer version may replay what an older one could not

    # The cycle --------------------------------------------------------------------------------------------------------

    def cycle(self) -> str:
        """Do what is due and return one sentence about it."""
        before = self._sentence
        self._pause = LOOK_SECONDS
        if self._runtime is not None:
            self._runtime.look()
        operation = self.store.open_operation()
        try:
            self._sentence = self._idle_cycle() if operation is None else self._run(operation)
        except NoRoom as error:
            self.room.note(error)
            self._upkeep.trim(self._runtime)  # files that are no longer needed may fill the disk
            self.halt.wait(0.5)
            self._sentence = f"waiting: {error.message}"
        self._beat(force=_kind(self._sentence) != _kind(before))
        return self._sentence

    def rest(self) -> None:
        """Wait until there is something to do, but not for long: a job at rest costs next to nothing."""
        until = time.monotonic() + self._pause
        while time.monotonic() < until and not self.halt.is_set():
            news = self._runtime.wait_for_news(LOOK_SECONDS) if self._runtime else self.halt.wait(LOOK_SECONDS)
            if news or self.store.changed():
                return

    def _run(self, operation: Operation) -> str:
        self._runner = Runner(self, operation)
        try:
            return self._runner.run()
        finally:
            self._runner = None
            self.sources.close_bulk()
            self._upkeep.trim_next()  # what it left behind, such as an index that was refused, is told at once

    def _idle_cycle(self) -> str:
        current = self.store.number("current")
        if current is None:
            return schedule.first_sync(self.store)
        causes = self.store.stopped_by()
        if causes:
            self.stop_runtime()
            self._pause = REST_SECONDS
            return f"stopped: {causes[0]}; waiting for a resync"
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
            return f"waiting: {words(error)[:500]}"
        return self._begin_due() or sentence

    def _begin_due(self) -> str | None:
        """Queue what the schedule wants, which is not asked in each cycle of a busy job."""
        if time.monotonic() - self._asked < BEAT_SECONDS:
            return None
        self._asked = time.monotonic()
        return schedule.begin_due(self.config, self.store)

    def _ensure_running(self, number: int) -> None:
        runtime = self._runtime_of(number)
        problem = runtime.view.problem
        if isinstance(problem, ResyncRequired):
            raise problem
        runtime.start_head()
        if runtime.captures and runtime.applied is not None:
            return
        current = self.store.generation("current")  # with what it knows of every collection: not read each time
        assert current is not None
        assert current.sync.start is not None
        assert current.sync.tc is not None
        runtime.begin_capture(current.sync.start)
        if runtime.applied is None:
            snapshot.ensure_unlocked(runtime.head.client)
            runtime.begin_apply(current.sync.tc)

    def _tail(self) -> str:
        assert self._runtime is not None
        deadline = time.monotonic() + BEAT_SECONDS
        while (more := self._runtime.apply()) and time.monotonic() < deadline and not self.halt.is_set():
            pass
        self._pause = 0.0 if more else REST_SECONDS
        self._upkeep.trim(self._runtime)
        view = self._runtime.view
        if view.problem is not None:
            return f"tailing, but capture waits: {view.problem.message}"
        applied = self._runtime.applied
        applied_to = show(applied.ts if applied else None)
        return f"tailing {view.member}: captured {show(view.captured)}, applied {applied_to}"

    def stop_with(self, error: ResyncRequired | Unsupported) -> None:
        """Stop the job and raise the alert that says why."""
        kind, cause = ("resync_required", error.cause) if isinstance(error, ResyncRequired) else ("stopped", error.code)
        if self.store.raise_alert(kind, cause, error.detail):
            log.error(kind, cause=cause, reason=error.message)
        self.stop_runtime()

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
        current = self.store.number("current")
        if current is None:
            raise OperationFailed("expected a backup, the job has none yet; wait for its initial sync")
        causes = self.store.stopped_by()
        if causes:
            raise OperationFailed(f"expected a job that is in sync, it is stopped ({causes[0]}); resync it first")
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
        self._upkeep.stop()
        self.stop_runtime()
        self.sources.close()

    # What an operation and its steps are given (operations.Daemon) ----------------------------------------------------

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
            while captured is not None and self.apply_until(captured):
                self.alive()
            applied = self._running.applied
            if (
                captured is not None
                and applied is not None
                and applied.ts >= captured
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

    def apply_some(self) -> None:
        """Apply at most one batch, and look after the daemon's other duties."""
        self._running.apply()
        self._beat()

    def apply_until(self, until: Timestamp) -> bool:
        """Apply one batch of entries up to `until`; returns whether there was any."""
        done = self._running.apply(until)
        self._beat()
        return done

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

    def captured(self) -> Timestamp | None:
        """Return the timestamp of the last captured entry."""
        return self._running.view.captured

    def applied(self) -> OpTime | None:
        """Return the applied optime."""
        return self._running.applied

    def tick(self, phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
        """Report progress. Raises Canceled or Shutdown when the step must end."""
        if self._runner is not None:
            self._runner.report(phase, done, total, unit, text)
        self.alive()

    def alive(self) -> None:
        """Raise Canceled or Shutdown when the step must end, NoRoom when it must wait."""
        self._beat()
        if self.halt.is_set():
            raise Shutdown("the daemon is stopping")
        if self._runner is not None:
            self._runner.require_room()

    def note(self, **result: Any) -> None:
        """Add fields to the operation's result."""
        if self._runner is not None:
            self._runner.note(**result)

    @property
    def head_died(self) -> bool:
        """Whether a generation is worked on and its head does not run, for no reason that replay takes care of."""
        return self._runtime is not None and not self._runtime.head.alive and not self._runtime.cared_for

    def wait(self, seconds: float) -> None:
        """Let the job's other work go on for so long. Raises what `alive` does, and ResyncRequired."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.alive()
            if self._tails():
                self._raise_problem()
                with contextlib.suppress(Transient):
                    self._running.apply()
                self._upkeep.trim(self._runtime)
            time.sleep(0.1)

    def begin_beside(self) -> None:
        """Let the current generation run beside a step that does not need it, if it can."""
        with contextlib.suppress(Transient, ResyncRequired, Unsupported, OperationFailed, HeadFailed, PyMongoError):
            self.use_current()

    def go_on_beside(self) -> None:
        """Apply a batch if the current generation runs. Its errors do not end the step: the next cycle meets them again.

        Raises Canceled or Shutdown when the step must end.
        """
        self.alive()
        if self._tails():
            with contextlib.suppress(Transient, ResyncRequired, Unsupported, HeadFailed, PyMongoError):
                self._running.apply()
                self._upkeep.trim(self._runtime)

    def _tails(self) -> bool:
        """Whether the current generation runs beside the step: a step that waits must not keep it from its oplog."""
        return self._runtime is not None and self._runtime.number == self.store.number("current")

    def _beat(self, force: bool = False) -> None:
        """Once a second: write what is observed, and see whether the operation was canceled."""
        if not force and time.monotonic() - self._beaten < BEAT_SECONDS:
            return
        self._beaten = time.monotonic()
        sentence = self._runner.sentence if self._runner else self._sentence
        agent = Agent(os.getpid(), __version__, self._started_at, now_iso(), sentence)
        runtime = self._runtime
        view = runtime.view if runtime else View()
        if time.monotonic() - self._measured > REST_SECONDS:
            self._measured = time.monotonic()
            self.room.look()
        if isinstance(view.problem, NoRoom):
            self.room.note(view.problem)
        with contextlib.suppress(NoRoom):  # `status` says itself that this is old
            number, applied = (runtime.number, runtime.applied) if runtime else (None, None)
            self.store.observe("live", live(agent, number, view, applied))
        if runtime is not None and self._tails():
            self._upkeep.archive(runtime)
        self._upkeep.note_access(runtime)
        if self._runner is not None:
            self._runner.require_wanted()


def _kind(sentence: str) -> str:
    """Return what a sentence about a cycle begins with; places and times follow."""
    return sentence.partition(":")[0]
