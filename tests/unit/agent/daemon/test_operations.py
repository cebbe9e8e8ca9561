"""Running an operation: what ends it, what lets it wait, and what its end leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from backup_agent.daemon import steps
from backup_agent.daemon.operations import SNAPSHOT_ALERT, Runner
from backup_agent.errors import Canceled, NoRoom, OperationFailed, ResyncRequired, Shutdown, Transient
from backup_agent.state.records import Operation, Params
from backup_agent.state.room import Room
from backup_agent.state.store import Store
from tests.unit.agent.jobs import configured


class Bench:
    """A daemon without a head."""

    head_died = False

    def __init__(self, where: Path) -> None:
        self.config = configured(where)
        self.store = Store(self.config.state_file)
        self.room = Room(self.config, self.store)
        self.waited: list[str | None] = []
        self.stopped: list[str] = []
        self.removed = 0
        self.runner: Runner | None = None

    def start(self, kind: str, **params: Any) -> Operation:
        """Queue an operation."""
        return self.store.start_operation(kind, "me", "why", Params(**params))[0]

    def run(self) -> str:
        """Run what is open, as the next cycle of a daemon does."""
        operation = self.store.open_operation()
        assert operation is not None
        self.runner = Runner(cast(Any, self), operation)
        return self.runner.run()

    def note(self, **result: Any) -> None:
        """Pass it on, as the job does."""
        assert self.runner is not None
        self.runner.note(**result)

    def wait(self, _seconds: float) -> None:
        """Note what the operation says that it waits for."""
        operation = self.store.open_operation()
        assert operation is not None
        assert operation.progress is not None
        self.waited.append(operation.progress.text)

    def stop_with(self, error: ResyncRequired) -> None:
        """Note that the job would stop."""
        self.stopped.append(error.cause)

    def remove_retired(self) -> None:
        """Count."""
        self.removed += 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a daemon without a head."""
    return Bench(tmp_path)


Act = Callable[[], str]


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Act], None]:
    """Give a function that lets a step do something else."""

    def replace(name: str, act: Act) -> None:
        monkeypatch.setitem(steps.STEPS, name, lambda _work, _operation: act())

    return replace


def failing(*errors: Exception) -> Act:
    """Return a step that ends with these errors, one after the other, and is done then."""
    left = list(errors)

    def act() -> str:
        if left:
            raise left.pop(0)
        return "well"

    return act


Step = Callable[[str, Act], None]


def test_steps_are_done_in_their_order_and_once(bench: Bench, step: Step) -> None:
    """Also when the daemon was told to stop, or a disk was full, in between."""
    done: list[str] = []
    later = failing(Shutdown("the daemon is stopping"), NoRoom("full", "repository"))
    step("snapshot", lambda: done.append("snapshot") or "taken")
    step("prove", lambda: later() + (done.append("prove") or ""))
    operation = bench.start("snapshot", name="a")

    assert f"{operation.id} goes on at the next start" == bench.run()
    assert "running" == bench.store.operation(operation.id).state
    assert f"{operation.id} done" == bench.run()
    assert ["snapshot", "prove"] == done
    assert ["waiting: full"] == bench.waited
    ended = bench.store.operation(operation.id)
    assert ("done", None, ["taken", "well"]) == (ended.state, ended.error, [s.note for s in ended.steps])


def test_what_may_pass_by_itself_is_waited_for(bench: Bench, step: Step) -> None:
    """And an operator is told what it is."""
    step("validate", failing(Transient("no member answers")))
    assert bench.start("validation").id + " done" == bench.run()
    assert ["waiting: no member answers"] == bench.waited


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (OperationFailed("no"), "failed", "no"),
        (Canceled("canceled by an operator"), "canceled", "canceled by an operator"),
        (ZeroDivisionError("by zero"), "failed", "unexpected: ZeroDivisionError in "),
    ],
)
def test_an_error_ends_it(bench: Bench, step: Step, error: Exception, state: str, text: str) -> None:
    """Whatever it was: the step says why, and so does the report. Only a failure of a snapshot is an alert."""
    step("snapshot", failing(error))
    operation = bench.start("snapshot", name="a")
    said = bench.run().removeprefix(f"{operation.id} {state}: ")
    assert said.startswith(text)

    ended = bench.store.operation(operation.id)
    assert [("failed", said), ("pending", None)] == [(s.state, s.note) for s in ended.steps]
    path = Path(ended.result["report"])
    assert 0o640 == path.stat().st_mode & 0o777
    report = json.loads(path.read_text())["operation"]
    assert (state, said) == (report["state"], report["error"]["message"])
    alerts = [(a.kind, a.cause) for a in bench.store.alerts()]
    assert ([(SNAPSHOT_ALERT, "snapshot")] if state == "failed" else []) == alerts


def test_the_next_snapshot_that_does_not_fail_closes_the_alert(bench: Bench, step: Step) -> None:
    """A proof that nobody asked for says nothing about one that failed."""
    for name in ("snapshot", "prove"):
        bench.store.raise_alert(SNAPSHOT_ALERT, name, {})
    step("snapshot", lambda: "taken")
    bench.start("snapshot", name="a", prove=False)
    bench.run()
    assert ["prove"] == [a.cause for a in bench.store.alerts()]


def test_a_resync_that_failed_gives_back_what_it_took(bench: Bench, step: Step) -> None:
    """Its lease, and the generation that did not become the backup; the old backup goes on."""
    step("preflight", lambda: "passed")
    step("sync", failing(ResyncRequired("corruption", "the new copy is damaged")))
    operation = bench.start("resync")
    syncing = bench.store.new_generation(operation.id)

    assert bench.run().endswith("failed: the new copy is damaged")
    assert ([], [syncing.number], 1) == (bench.store.leases(), bench.store.retired_generations(), bench.removed)
    assert [] == bench.stopped


def test_a_backup_that_is_not_its_source_stops_the_job(bench: Bench, step: Step) -> None:
    """A validation that finds that says which job can no longer be restored from."""
    step("validate", failing(ResyncRequired("corruption", "not equal")))
    bench.start("validation")
    bench.run()
    assert ["corruption"] == bench.stopped


def test_an_operator_can_end_it(bench: Bench, step: Step) -> None:
    """The daemon asks once a second."""
    operation = bench.start("validation")

    def act() -> str:
        assert bench.runner is not None
        bench.runner.require_wanted()
        bench.store.cancel_operation(operation.id)
        bench.runner.require_wanted()
        return "never"

    step("validate", act)
    assert f"{operation.id} canceled: canceled by an operator" == bench.run()


def test_only_the_disks_that_a_step_writes_to_matter(bench: Bench, step: Step) -> None:
    """A proof needs the job's own; a validation writes nothing."""
    bench.room = Room(bench.config.model_copy(update={"disk_reserve_mb": 2**40}), bench.store)
    seen: dict[str, bool] = {}

    def act() -> str:
        assert bench.runner is not None
        name = bench.runner.sentence.rpartition(" ")[2]
        try:
            bench.runner.require_room()
        except NoRoom:
            seen[name] = True
            return "no room"
        seen[name] = False
        return "room"

    for kind, name in (("validation", "validate"), ("proof", "prove")):
        step(name, act)
        bench.start(kind)
        bench.run()
    assert {"validate": False, "prove": True} == seen
