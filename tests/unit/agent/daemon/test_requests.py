"""What a command may ask for, without a command line: what is done, what is queued and what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bson.timestamp import Timestamp

from backup_agent.config import Config
from backup_agent.daemon import requests
from backup_agent.daemon.loop import hold_lock
from backup_agent.daemon.requests import Asked
from backup_agent.errors import AgentDown, NotFound, OperationOpen, PreflightFailed, Refused
from backup_agent.state.records import Params
from backup_agent.state.store import Store
from backup_agent.times import now_iso
from tests.unit.agent.jobs import add_snapshot, restic_calls

ME = Asked("me", "why")
NEEDED, NOT_NEEDED = (True, "the policy is always"), (False, "the backup is in sync")


@pytest.fixture
def daemon(config: Config) -> Iterator[None]:
    """Hold the lock that its daemon holds."""
    lock = hold_lock(config)
    yield
    os.close(lock)


def current(store: Store) -> None:
    """Give the job a backup."""
    store.switch_generation(store.new_generation().number)


class TestPolicy:
    """Whether a policy asks for a resync now."""

    def test_always_does(self, store: Store) -> None:
        """Whatever is known of the job."""
        current(store)
        assert NEEDED == requests.resync_needed(store, "always", 365)

    @pytest.mark.parametrize("policy", ["required", "older_than"])
    def test_a_job_without_a_backup_needs_one(self, store: Store, policy: str) -> None:
        """There is nothing to be in sync with."""
        assert (True, "the job has no backup") == requests.resync_needed(store, policy, 365)

    @pytest.mark.parametrize("policy", ["required", "older_than"])
    def test_a_job_that_has_stopped_needs_one(self, store: Store, policy: str) -> None:
        """Every cause is named."""
        current(store)
        store.raise_alert("stopped", "unsupported_operation", {})
        store.raise_alert("resync_required", "corruption", {})
        wanted = (True, "Resync Required: unsupported_operation, corruption")
        assert wanted == requests.resync_needed(store, policy, 365)

    def test_required_is_content_with_a_job_in_sync(self, store: Store) -> None:
        """However old its copy is."""
        current(store)
        assert NOT_NEEDED == requests.resync_needed(store, "required", 0)

    def test_older_than_counts_from_the_last_that_was_done(self, store: Store) -> None:
        """One that failed since is none; without any there is no age."""
        current(store)
        assert (True, "no resync is known") == requests.resync_needed(store, "older_than", 365)
        for state, finished_at in (("done", "2026-01-01T00:00:00Z"), ("failed", now_iso())):
            operation, _ = store.start_operation("resync", "me", "why")
            store.update_operation(operation.id, state=state, finished_at=finished_at)
        wanted, why = requests.resync_needed(store, "older_than", 1)
        assert wanted
        assert why.endswith("days old")
        assert not requests.resync_needed(store, "older_than", 100_000)[0]


class TestResync:
    """Asking for a resync."""

    @pytest.mark.usefixtures("daemon")
    def test_it_is_queued_once(self, config: Config, store: Store) -> None:
        """Who asks again gets the same, also when nothing is needed any more."""
        first = requests.resync(config, store, ME, NEEDED, dry_run=False)
        again = requests.resync(config, store, ME, NOT_NEEDED, dry_run=False)
        assert (True, False) == (first.changed, first.attached)
        assert (False, True, "your operation is open") == (again.changed, again.attached, again.why)
        assert first.operation == again.operation
        with pytest.raises(OperationOpen, match="of me"):
            requests.resync(config, store, Asked("you", "why"), NEEDED, dry_run=False)

    def test_one_that_is_not_needed_needs_no_daemon(self, config: Config, store: Store) -> None:
        """Nothing is queued."""
        found = requests.resync(config, store, ME, NOT_NEEDED, dry_run=False)
        assert (False, False, "the backup is in sync") == (found.changed, found.needed, found.why)
        assert store.open_operation() is None

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_nothing_is_promised_without_a_daemon(self, config: Config, store: Store, dry_run: bool) -> None:
        """What is queued would wait for ever."""
        with pytest.raises(AgentDown, match="start its service"):
            requests.resync(config, store, ME, NEEDED, dry_run)
        assert store.open_operation() is None

    @pytest.mark.usefixtures("daemon")
    def test_a_dry_run_queues_nothing(self, config: Config, store: Store) -> None:
        """It says what would make it fail, with the whole plan."""
        with pytest.raises(PreflightFailed, match="source: expected an answer") as refused:
            requests.resync(config, store, ME, NEEDED, dry_run=True)
        assert refused.value.details["plan"].checks[0] == refused.value.details["checks"][0]
        assert store.open_operation() is None
        store.start_operation("snapshot", "you", "because", Params(name="a"))
        with pytest.raises(OperationOpen, match="of you"):
            requests.resync(config, store, ME, NEEDED, dry_run=True)


class TestSnapshot:
    """Asking for a snapshot, or for something about one."""

    @pytest.mark.parametrize(
        ("state", "prove", "wanted"), [("present", False, False), ("present", True, True), ("proven", False, True)]
    )
    @pytest.mark.usefixtures("daemon")
    def test_one_that_is_not_there_is_taken(
        self, config: Config, store: Store, state: str, prove: bool, wanted: bool
    ) -> None:
        """And proven, if either option says so."""
        found = requests.snapshot(config, store, "a", state, prove, ME)
        assert (True, None) == (found.changed, found.snapshot)
        assert ("snapshot", Params(name="a", prove=wanted)) == (found.operation.kind, found.operation.params)

    def test_what_is_so_already_is_no_change(self, config: Config, store: Store) -> None:
        """It needs no daemon either."""
        add_snapshot(store, "a", proven_at=now_iso())
        for state in ("present", "proven", "released"):
            found = requests.snapshot(config, store, "a", state, True, ME)
            assert (False, "a", None) == (found.changed, found.snapshot.name, found.operation)

    @pytest.mark.usefixtures("daemon")
    def test_one_that_is_there_is_proven(self, config: Config, store: Store) -> None:
        """A bad one is not: it is known not to be what was stored."""
        add_snapshot(store, "a")
        assert not requests.snapshot(config, store, "a", "present", True, ME).changed
        assert "proof" == requests.snapshot(config, store, "a", "proven", False, ME).operation.kind
        add_snapshot(store, "b", state="bad")
        with pytest.raises(Refused, match="snapshot b is bad"):
            requests.snapshot(config, store, "b", "proven", False, ME)

    @pytest.mark.usefixtures("daemon")
    def test_none_is_taken_while_they_are_paused(self, config: Config, store: Store) -> None:
        """The proof of one that is there does not change what is stored."""
        store.add_lease("you", "holidays", 60)
        with pytest.raises(Refused, match=r"paused by you \(holidays\)"):
            requests.snapshot(config, store, "a", "present", False, ME)
        add_snapshot(store, "a")
        assert requests.snapshot(config, store, "a", "proven", False, ME).changed

    def test_nothing_is_promised_without_a_daemon(self, config: Config, store: Store) -> None:
        """What is queued would wait for ever."""
        with pytest.raises(AgentDown):
            requests.snapshot(config, store, "a", "present", False, ME)

    def test_it_is_held_and_released(self, config: Config, store: Store) -> None:
        """Twice is once, and one that is not there is named."""
        add_snapshot(store, "a")
        done = [requests.snapshot(config, store, "a", state, False, ME) for state in ("held", "held", "released")]
        assert [(True, True), (False, True), (True, False)] == [(d.changed, d.snapshot.held) for d in done]
        with pytest.raises(NotFound, match="found 'b'"):
            requests.snapshot(config, store, "b", "held", False, ME)

    def test_it_is_removed_once(self, config: Config, store: Store, tmp_path: Path) -> None:
        """One that is not there is no change."""
        add_snapshot(store, "a")
        assert [True, False] == [requests.snapshot(config, store, "a", "absent", False, ME).changed for _ in range(2)]
        assert ["--json forget id-a --prune"] == restic_calls(tmp_path)


@pytest.mark.usefixtures("daemon")
def test_other_operations_are_queued_once(config: Config, store: Store) -> None:
    """A validation of another level is another one."""
    done = [requests.queue(config, store, "validation", ME, Params(level="counts")) for _ in range(2)]
    assert [(True, False), (False, True)] == [(d.changed, d.attached) for d in done]
    with pytest.raises(OperationOpen):
        requests.queue(config, store, "validation", ME, Params(level="digest"))


def test_who_asks_for_the_newest_again_finds_what_was_begun(config: Config, store: Store) -> None:
    """It was settled then which optime that is; another target, another owner or another optime is another restore."""
    newest = Params(target="/t")
    begun = replace(newest, at=Timestamp(95, 1))
    assert requests.own_restore(config, "me", newest) is None
    operation, _ = store.start_operation("restore", "me", "why", begun)
    assert [operation, operation] == [requests.own_restore(config, "me", params) for params in (newest, begun)]
    for owner, params in (
        ("you", newest),
        ("me", replace(newest, target="/u")),
        ("me", replace(newest, snapshot="a")),
        ("me", replace(begun, at=Timestamp(95, 2))),
    ):
        with pytest.raises(OperationOpen):
            requests.own_restore(config, owner, params)
