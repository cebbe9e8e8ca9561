"""The state file: one open operation, leases by owner, nothing lost by a second reader."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backup_agent.errors import AgentDown, BadConfiguration, NoRoom, NotFound, OperationFailed, OperationOpen
from backup_agent.state.records import Agent, Params
from backup_agent.state.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give an empty state file."""
    return Store(tmp_path / "state.sqlite")


def test_an_owner_attaches_to_an_operation_of_its_own(store: Store) -> None:
    """Starting twice starts once."""
    first, new = store.start_operation("resync", "me", "why")
    second, again = store.start_operation("resync", "me", "why")
    assert (True, False) == (new, again)
    assert first.id == second.id


def test_another_owner_is_told_whose_it_is(store: Store) -> None:
    """The refusal names owner, id and age."""
    operation, _ = store.start_operation("resync", "me", "why")
    with pytest.raises(OperationOpen, match=rf"{operation.id} of me, \d+ seconds old"):
        store.start_operation("resync", "you", "because")


def test_an_owner_attaches_only_to_what_was_asked_for(store: Store) -> None:
    """Another snapshot of the same owner is not the one that is open: the caller must not take its end for its own."""
    store.start_operation("snapshot", "me", "why", Params(name="a"))
    assert not store.start_operation("snapshot", "me", "why", Params(name="a"))[1]
    with pytest.raises(OperationOpen):
        store.start_operation("snapshot", "me", "why", Params(name="b"))


def test_an_operation_that_ended_makes_room(store: Store) -> None:
    """After the end of one, another may start, and the first can still be read."""
    first, _ = store.start_operation("resync", "me", "why")
    store.finish_operation(first.id, "failed", OperationFailed("m"))
    second, new = store.start_operation("snapshot", "you", "because")
    assert new
    assert first.id != second.id
    assert "failed" == store.operation(first.id).state
    assert second.id == store.newest_operation().id  # type: ignore[union-attr]
    assert first.id == store.newest_operation("resync", "initial_sync").id  # type: ignore[union-attr]


def test_many_that_start_at_once_get_one_operation(tmp_path: Path) -> None:
    """The schema, not the code, keeps operations apart: of eight connections one wins, seven are refused."""
    Store(tmp_path / "s.sqlite").close()
    results: list[str] = []

    def start(owner: int) -> None:
        try:
            Store(tmp_path / "s.sqlite").start_operation("resync", str(owner), "race")
            results.append("started")
        except OperationOpen:
            results.append("refused")

    threads = [threading.Thread(target=start, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["refused"] * 7 + ["started"] == sorted(results)


def test_leases_are_a_set_by_owner(store: Store) -> None:
    """Snapshots stay paused until every owner has taken its own lease back, and an expired lease is none."""
    assert store.add_lease("a", "maintenance", 60)
    assert not store.add_lease("a", "longer maintenance", 120)
    store.add_lease("b", "other", 60)
    store.add_lease("c", "past", -1)
    assert store.remove_lease("a")
    assert not store.remove_lease("a")
    assert ["b"] == [lease.owner for lease in store.leases()]


def test_an_alert_keeps_the_time_it_was_raised(store: Store) -> None:
    """Raising it again is no news; closing it makes room for another."""
    assert store.raise_alert("resync_required", "corruption", {"message": "m"})
    assert not store.raise_alert("resync_required", "corruption", {"message": "other"})
    assert ["m"] == [alert.detail["message"] for alert in store.alerts()]
    store.close_alerts("resync_required")
    assert [] == store.alerts()
    assert store.raise_alert("resync_required", "corruption", {"message": "again"})


def test_only_one_generation_is_current(store: Store) -> None:
    """The switch retires the one before in the same step."""
    first = store.new_generation().number
    store.switch_generation(first)
    second = store.new_generation().number
    store.switch_generation(second)
    assert (second, [first]) == (store.generation("current").number, store.retired_generations())  # type: ignore[union-attr]


def test_a_second_connection_of_the_process_takes_no_locks_away(store: Store, tmp_path: Path) -> None:
    """What is written after another connection was opened and closed is seen by a third: its journal was not deleted."""
    store.observe("n", Agent(1))
    Store(tmp_path / "state.sqlite").close()
    store.observe("n", Agent(2))
    assert Agent(2) == Store(tmp_path / "state.sqlite").observed("n", Agent)


def test_a_new_state_is_opened_by_several_at_once(tmp_path: Path) -> None:
    """The daemon and a command may both be the first: each waits for the other one, in every order."""
    together = threading.Barrier(3)

    def open_it(path: Path) -> int:
        together.wait()
        with contextlib.closing(Store(path)) as store:
            return len(store.alerts())

    with ThreadPoolExecutor(3) as pool:
        for number in range(30):
            found = pool.map(open_it, [tmp_path / f"state{number}.sqlite"] * 3)
            assert [0, 0, 0] == list(found)


def test_newer_state_is_refused(tmp_path: Path) -> None:
    """An old agent does not write into the state of a newer one."""
    path = tmp_path / "s.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(BadConfiguration, match="upgrade the agent"):
        Store(path)


def test_an_unknown_operation_is_named(store: Store) -> None:
    """The error says what was asked for and where ids are found."""
    with pytest.raises(NotFound, match="nonsense"):
        store.operation("nonsense")


def test_the_file_is_private(store: Store, tmp_path: Path) -> None:
    """Only the agent's user may read the state."""
    assert 0o600 == (tmp_path / "state.sqlite").stat().st_mode & 0o777


def test_a_full_disk_loses_nothing_that_was_written(store: Store) -> None:
    """What finds no room says so and leaves nothing behind; with room again the next write succeeds."""
    store.observe("before", Agent(1))
    store._db.execute(f"PRAGMA max_page_count={store._db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(NoRoom, match="make room"):
        store.observe("large", Agent(cycle="x" * 100_000))
    assert (Agent(1), None) == (store.observed("before", Agent), store.observed("large", Agent))
    store._db.execute("PRAGMA max_page_count=100000")
    store.observe("large", Agent(2))
    assert Agent(2) == store.observed("large", Agent)


def test_one_alert_is_closed_alone(store: Store) -> None:
    """Two disks can be full, and one of them get room."""
    for cause in ("head", "slices"):
        store.raise_alert("disk_full", cause, {"message": cause})
    store.close_alerts("disk_full", cause="head")
    assert ["slices"] == [alert.cause for alert in store.alerts()]


def test_no_state_is_made_for_another_user(tmp_path: Path) -> None:
    """What root looks at before the agent has ever run stays as it is, or the agent could not open its own state."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a directory away")
    os.chown(tmp_path, 65534, 65534)

    with pytest.raises(AgentDown, match="its agent has never run"):
        Store(tmp_path / "job" / "state.sqlite")

    assert list(tmp_path.iterdir()) == []


def test_the_last_validation_stays_when_a_newer_operation_makes_none(store: Store) -> None:
    """A resync that is queued, or failed before it could compare anything, does not hide what was found before."""
    validation, _ = store.start_operation("validation", "me", "why")
    store.update_operation(validation.id, result={"validation": {"equal": False}})
    assert store.newest_validation() is None  # it has not ended
    store.finish_operation(validation.id, "failed")
    resync, _ = store.start_operation("resync", "me", "why")
    store.finish_operation(resync.id, "canceled")
    store.start_operation("snapshot", "me", "why", Params(name="a"))
    found = store.newest_validation()
    assert found is not None
    assert (validation.id, False) == (found.id, found.equal)


def test_what_ended_long_ago_is_forgotten(store: Store) -> None:
    """Not the newest, not the open one, and not what the status shows: the last done of a kind, the last that compared."""
    found = []
    for kind, state in (("resync", "done"), ("snapshot", "failed"), ("snapshot", "failed"), ("resync", "failed")):
        operation, _ = store.start_operation(kind, "me", "why", Params(name="a") if kind == "snapshot" else None)
        if not found:
            store.update_operation(operation.id, result={"validation": {"equal": True}})
        store.finish_operation(operation.id, state)
        store.update_operation(operation.id, finished_at="2025-01-01T00:00:00Z")
        found.append(operation.id)
    store.start_operation("validation", "me", "why")
    assert [] == store.old_operations("2024-12-31T00:00:00Z", 1)
    assert [] == store.old_operations("2026-01-01T00:00:00Z", 4)
    assert [found[1]] == store.old_operations("2026-01-01T00:00:00Z", 1)
    store.forget_operations([found[1]])
    assert [] == store.old_operations("2026-01-01T00:00:00Z", 1)
    with pytest.raises(NotFound):
        store.operation(found[1])


def test_alerts_that_were_closed_long_ago_are_forgotten(store: Store) -> None:
    """An open one stays however old it is."""
    for cause in ("one", "two", "open"):
        store.raise_alert("stopped", cause, {})
    for cause in ("one", "two"):
        store.close_alerts("stopped", cause=cause)
    store.forget_alerts("2000-01-01T00:00:00Z", 0)
    count = "SELECT count(*) AS found FROM alerts"
    assert 3 == store._rows(count)[0]["found"]
    store.forget_alerts("2100-01-01T00:00:00Z", 2)
    assert 2 == store._rows(count)[0]["found"]
    store.forget_alerts("2100-01-01T00:00:00Z", 0)
    assert ["open"] == [alert.cause for alert in store.alerts()]
