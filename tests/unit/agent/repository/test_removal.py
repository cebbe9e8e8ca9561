"""Removing a snapshot: never one that an operation uses, and never so that the list has one that restic no longer has."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from backup_agent.config import Config
from backup_agent.errors import AgentError, NotFound, OperationOpen, Refused
from backup_agent.repository import inventory, snapshot
from backup_agent.repository.failures import RepositoryMissing
from backup_agent.state.records import Params
from backup_agent.state.store import Store
from tests.unit.agent.jobs import add_snapshot, configured, restic_calls

ROUNDS = 40
FORGET = "--json forget id-a --prune"
WAITING = """#!/bin/sh
echo "$*" >> {here}/restic-calls
while [ ! -e {here}/answered ]; do sleep 0.01; done
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Give the configuration of a job."""
    return configured(tmp_path)


@pytest.fixture
def store(config: Config) -> Store:
    """Give its state, with one snapshot."""
    found = Store(config.state_file)
    add_snapshot(found, "a")
    return found


def test_a_held_one_stays(config: Config, store: Store, tmp_path: Path) -> None:
    """The repository is not asked."""
    store.update_snapshot("a", held=1)
    with pytest.raises(Refused, match="found a held; release it first"):
        snapshot.remove(config, store, "a")
    assert (["a"], []) == ([s.name for s in store.snapshots()], restic_calls(tmp_path))


def test_one_that_an_operation_may_use_stays(config: Config, store: Store, tmp_path: Path) -> None:
    """But an operation removes what its own retention says."""
    operation, _ = store.start_operation("proof", "me", "why", Params(name="a"))
    with pytest.raises(OperationOpen, match="of me"):
        snapshot.remove(config, store, "a")
    assert (["a"], []) == ([s.name for s in store.snapshots()], restic_calls(tmp_path))
    assert snapshot.remove(config, store, "a", operation.id)
    assert ([], [FORGET]) == (store.snapshots(), restic_calls(tmp_path))


def both(one: Callable[[], object], other: Callable[[], object]) -> list[object]:
    """Do two things at the same moment; returns what each of them returned, or the error that it raised."""
    start, results = threading.Barrier(2), dict[int, object]()

    def act(number: int, what: Callable[[], object]) -> None:
        start.wait()
        try:
            results[number] = what()
        except (OperationOpen, NotFound) as error:
            results[number] = error

    threads = [threading.Thread(target=act, args=pair) for pair in enumerate((one, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[0], results[1]]


@pytest.mark.parametrize(("kind", "key"), [("proof", "name"), ("restore", "snapshot")])
def test_of_a_removal_and_an_operation_that_begin_at_once_one_is_refused(
    config: Config, store: Store, tmp_path: Path, kind: str, key: str
) -> None:
    """Each with a connection of its own to the state, as two processes have: never both, and never neither.

    restic takes until the operation has been answered, so that none can begin after the end of the removal.
    """
    answered, won = tmp_path / "answered", []
    Path(config.repository.restic).write_text(WAITING.format(here=tmp_path))
    ours, theirs = Store(config.state_file), Store(config.state_file)

    def start() -> object:
        try:
            return theirs.start_operation(kind, "me", "why", Params(**{key: "a"}))
        finally:
            answered.touch()

    for _ in range(ROUNDS):
        add_snapshot(store, "a")
        answered.unlink(missing_ok=True)
        removed, started = both(lambda: snapshot.remove(config, ours, "a"), start)
        operation = store.open_operation()
        if operation is None:
            assert (True, True, []) == (removed, isinstance(started, NotFound), store.snapshots())
        else:
            assert isinstance(removed, OperationOpen)
            assert ["good"] == [s.state for s in store.snapshots()]
            store.finish_operation(operation.id, "done")
        won.append(operation is None)
    assert [FORGET] * sum(won) == restic_calls(tmp_path)


@pytest.mark.parametrize("point", ["removal.begun", "removal.forgotten"])
def test_a_removal_that_was_killed_leaves_nothing_that_looks_like_a_backup(
    config: Config, store: Store, tmp_path: Path, point: str
) -> None:
    """Whether restic had forgotten it by then or not: it is in no list and no operation can use it, and another call ends it."""
    file = tmp_path / "orders.yml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    command = [sys.executable, "-m", "backup_agent", "--config", str(file)]
    command += ["snapshot", "--name", "a", "--state", "absent", "--owner", "me"]
    killed = subprocess.run(command, env={**os.environ, "BACKUP_AGENT_FAILPOINTS": f"{point}=kill"})

    assert -signal.SIGKILL == killed.returncode
    assert ([], None, ["a"]) == (store.snapshots(), store.snapshot("a"), store.removals())
    with pytest.raises(NotFound, match="found a being removed"):
        store.start_operation("proof", "me", "why", Params(name="a"))
    assert not store.update_snapshot("a", state="good", held=1)

    assert 0 == subprocess.run(command).returncode
    assert [] == store.removals()
    assert FORGET == restic_calls(tmp_path)[-1]


def test_a_removal_that_was_begun_waits_for_an_operation_too(config: Config, store: Store, tmp_path: Path) -> None:
    """restic would keep the repository for itself meanwhile, and a restore that has run for hours would fail."""
    store.begin_removal("a")
    operation, _ = store.start_operation("verification", "me", "why")
    with pytest.raises(OperationOpen, match="of me"):
        snapshot.remove(config, store, "a")
    assert [] == restic_calls(tmp_path)
    assert snapshot.remove(config, store, "a", operation.id)
    assert ([], [FORGET]) == (store.removals(), restic_calls(tmp_path))


def test_what_is_removed_late_is_not_what_was_taken_meanwhile(store: Store) -> None:
    """The new snapshot has the name of the old one, and stays."""
    store.begin_removal("a")
    add_snapshot(store, "a", restic_id="newer")
    store.end_removal("id-a")
    assert ["newer"] == [s.restic_id for s in store.snapshots()]


FAILING = """#!/bin/sh
echo "$*" >> {here}/restic-calls
case $2 in
  snapshots) cat {here}/listed ;;
  *) echo "Fatal: {says}" >&2; exit 1 ;;
esac
"""
LISTED = json.dumps([{"id": "id-a and the rest of it", "time": "2026-01-01T00:00:00Z", "tags": []}])


@pytest.mark.parametrize(
    ("says", "listed", "left"),
    [
        pytest.param("unable to open config file: is there a repository?", None, "good", id="not mounted"),
        pytest.param("wrong password or no key found", None, "good", id="password"),
        pytest.param("unable to create lock in backend: read-only file system", None, "good", id="read only"),
        pytest.param("403 Forbidden", LISTED, "good", id="must not delete"),
        pytest.param("connection reset", "[]", "removing", id="removed before the connection broke"),
        pytest.param("connection reset", None, "removing", id="nobody knows"),
    ],
)
def test_one_that_restic_could_not_remove_is_in_the_list_again(
    config: Config, store: Store, tmp_path: Path, says: str, listed: str | None, left: str
) -> None:
    """Unless restic has removed it all the same, or cannot say: then it must not look like a backup."""
    Path(config.repository.restic).write_text(FAILING.format(here=tmp_path, says=says))
    if listed is not None:
        (tmp_path / "listed").write_text(listed)
    with pytest.raises(AgentError):
        snapshot.remove(config, store, "a")
    assert (["good"] if left == "good" else []) == [s.state for s in store.snapshots()]
    assert (["a"] if left == "removing" else []) == store.removals()


def test_a_repository_that_has_only_what_is_being_removed_must_be_there(
    config: Config, store: Store, tmp_path: Path
) -> None:
    """Otherwise the disk is not mounted, and a new repository would take its place."""
    store.begin_removal("a")
    missing = FAILING.format(here=tmp_path, says="is there a repository").replace("snapshots)", "nothing)")
    Path(config.repository.restic).write_text(missing)
    with pytest.raises(RepositoryMissing):
        inventory.summary(config)
