"""The record of maintenance: one owner at a time, in one step with the lease, and never forgotten before it is ended."""

from __future__ import annotations

import fcntl
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from bson.timestamp import Timestamp
from click.testing import CliRunner

from backup_agent.__main__ import main
from backup_agent.errors import Refused
from backup_agent.state.maintenance import Begin, Maintenance, down, parse_latest, span
from backup_agent.state.records import Agent, Lease, Live
from backup_agent.state.store import Store
from backup_agent.times import iso_in, seconds_until

LIVE = Live(oldest=Timestamp(100, 1), captured=Timestamp(200, 1))
LATER = Live(oldest=Timestamp(150, 1), captured=Timestamp(300, 1))
PAST = "2026-01-01T00:00:00Z"
BEGIN = ("maintenance", "begin", "--owner", "me", "--reason", "why", "--for-seconds", "60")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give the state of a job whose daemon has observed something."""
    found = Store(tmp_path / "job" / "state.sqlite")
    found.observe("live", LIVE)
    return found


def recorded(store: Store) -> Maintenance:
    """Return the record, which is there."""
    found = store.maintenance()
    assert found is not None
    return found


def overrun(store: Store, **changes: Any) -> Maintenance:
    """Let the time of the record be past, and return it."""
    record = replace(recorded(store), until=PAST, **changes)
    store.observe("maintenance", record)
    return record


def stored(folder: Path) -> dict[str, bytes]:
    """Return what is in the files of a job. The index of the write-ahead log, which all readers share, is none of them."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def test_a_record_and_its_lease_are_written_together(store: Store) -> None:
    """Both have the same end, and the record keeps what the daemon observed last."""
    answer = store.begin_maintenance(Begin("me", "kernel", 3600, PAST))
    assert (True, False) == (answer.changed, answer.renewed)
    record = recorded(store)
    assert ("me", "kernel", PAST) == (record.owner, record.reason, record.latest_safe_restart)
    assert (LIVE.oldest, LIVE.captured) == (record.oldest, record.captured)
    assert [Lease("me", "kernel", record.until)] == store.leases()
    assert 3595 <= seconds_until(record.until) <= 3600


def test_a_renewal_keeps_when_it_began(store: Store) -> None:
    """The rate of the oplog is computed from the oldest entry of that time; the captured entry is the present one."""
    store.begin_maintenance(Begin("me", "kernel", 60, PAST))
    store.observe("maintenance", replace(recorded(store), began_at=PAST))
    store.observe("live", LATER)
    answer = store.begin_maintenance(Begin("me", "more of it", 3600, None))
    assert (True, True) == (answer.changed, answer.renewed)
    record = recorded(store)
    assert (PAST, PAST, LIVE.oldest) == (record.began_at, record.latest_safe_restart, record.oldest)
    assert ("more of it", LATER.captured) == (record.reason, record.captured)
    assert 1 == len(store.leases())


def test_another_owner_is_told_whose_it_is(store: Store) -> None:
    """The refusal names owner, reason and end, and changes nothing, no lease either."""
    store.begin_maintenance(Begin("me", "kernel", 3600, None))
    before = recorded(store)
    with pytest.raises(Refused, match=rf"that of me \(kernel\) until {before.until}; wait") as caught:
        store.begin_maintenance(Begin("you", "network", 60, None))
    assert {"maintenance": before} == caught.value.details
    assert (before, ["me"]) == (store.maintenance(), [lease.owner for lease in store.leases()])


def test_what_was_overrun_is_shown_until_somebody_begins_anew(store: Store) -> None:
    """The record outlives its time; it is in nobody's way then."""
    store.begin_maintenance(Begin("me", "kernel", 3600, None))
    record = overrun(store)
    assert {**record.to_json(), "overdue": True, "seconds_left": None} == recorded(store).shown()
    store.begin_maintenance(Begin("you", "network", 60, None))
    assert "you" == recorded(store).owner


@pytest.mark.parametrize("owner", ["me", "you"])
@pytest.mark.parametrize(
    ("alive", "cycle_at", "kept"),
    [
        pytest.param(True, None, False, id="runs"),
        pytest.param(False, "2999-01-01T00:00:00Z", False, id="ran after its time"),
        pytest.param(False, PAST, True, id="has been down ever since"),
    ],
)
def test_one_that_was_never_ended_is_no_renewal(
    store: Store, owner: str, alive: bool, cycle_at: str | None, kept: bool
) -> None:
    """The agent ran on after its time, so nothing of then holds; one that is still down is only longer away, whoever asks."""
    store.begin_maintenance(Begin("me", "kernel", 3600, PAST))
    overrun(store, began_at=PAST)
    store.observe("live", replace(LATER, agent=Agent(cycle_at=cycle_at)))
    answer = store.begin_maintenance(Begin(owner, "disk", 60, None, alive))
    record = recorded(store)
    assert (owner, kept, record) == (record.owner, answer.renewed, answer.maintenance)
    assert (kept, kept) == (record.began_at == PAST, record.latest_safe_restart == PAST)
    assert record.oldest == (LIVE if kept else LATER).oldest


def test_only_ones_own_is_ended(store: Store) -> None:
    """Another owner's record stays, one's own lease goes, and a second end is no change."""
    store.begin_maintenance(Begin("me", "kernel", 3600, None))
    store.add_lease("you", "audit", 60)
    assert store.end_maintenance("you")
    assert not store.end_maintenance("you")
    assert ("me", ["me"]) == (recorded(store).owner, [lease.owner for lease in store.leases()])
    overrun(store)
    assert store.end_maintenance("me")
    assert (None, []) == (store.maintenance(), store.leases())
    assert not store.end_maintenance("me")


def test_a_lease_that_was_taken_back_is_written_again(store: Store) -> None:
    """When somebody resumed the snapshots in between, it is a change."""
    store.begin_maintenance(Begin("me", "kernel", 3600, None))
    store.remove_lease("me")
    assert store.begin_maintenance(Begin("me", "kernel", 3600, None)).changed
    assert 1 == len(store.leases())


@pytest.mark.parametrize("text", ["soon", "2026-01-31T04:05:06", ""])
def test_a_time_that_could_be_misread_is_refused(text: str) -> None:
    """An agent that is started an hour too late is lost."""
    with pytest.raises(Refused, match="--latest-safe-restart: expected a time with its zone"):
        parse_latest(text)


def test_times_are_kept_in_one_form() -> None:
    """They are compared as text later."""
    assert ["2026-01-31T04:05:06Z"] * 2 == [
        parse_latest(text) for text in ("2026-01-31T05:05:06.9+01:00", "2026-01-31T04:05:06Z")
    ]
    assert parse_latest(None) is None


@pytest.mark.parametrize(
    ("until", "left", "level", "words"),
    [
        (3600, 7200, "warning", "it has to run again by "),
        (3600, None, "warning", "by when it has to run again is not known"),
        (3600, 1799, "critical", "30 min are left; start the agent: ansible-playbook "),
        (3600, -60, "critical", "60 s ago; start the agent"),
        (-300, 7200, "critical", "which ended at "),
        (-300, None, "critical", "5 min ago; by when it has to run again is not known; start the agent"),
    ],
)
def test_an_agent_that_is_down_is_judged_by_its_record(until: int, left: int | None, level: str, words: str) -> None:
    """Only maintenance that goes on and leaves time is less than critical, and what is critical says what to do."""
    record = Maintenance("me", "kernel", PAST, iso_in(until))
    latest = None if left is None else iso_in(left)
    found, text = down("orders", record, latest, left, 1800)
    assert (level, True) == (found, words in text)
    assert "the agent is down for maintenance of me (kernel)" in text
    assert ("--limit orders" in text) == (level == "critical")


def test_spans_are_readable() -> None:
    """Seconds, minutes or hours."""
    assert ["119 s", "2 min", "360 min", "6.0 h"] == [span(s) for s in (119, 120, 21599, 21600)]


class TestCommands:
    @pytest.fixture
    def call(self, tmp_path: Path) -> Any:
        """Give a function that runs the command line for a job; its state is not there yet."""
        path = tmp_path / "orders.yml"
        directory = tmp_path / "job"
        settings = {
            "job": "orders",
            "directory": str(directory),
            "source": {"uri": "mongodb://127.0.0.1:1/", "replica_set": "rs0"},
            "head": {"mongod": "/usr/bin/mongod"},
            "repository": {"location": "/srv/backups", "password_file": "/etc/orders.restic"},
        }
        path.write_text(yaml.safe_dump(settings))

        def run(*arguments: str) -> tuple[int, dict[str, Any]]:
            done = CliRunner().invoke(main, ["--config", str(path), *arguments, "--json"])
            return done.exit_code, json.loads(done.stdout)

        return run

    def test_no_state_is_made(self, call: Any, tmp_path: Path) -> None:
        """A job whose agent has never run has nothing to keep; ending its maintenance is no change."""
        code, answer = call(*BEGIN)
        assert (code, answer) == call(*BEGIN, "--dry-run")
        assert (3, "refused") == (code, answer["error"]["code"])
        assert "its agent has never run; start it once" in answer["error"]["message"]
        code, answer = call("maintenance", "end", "--owner", "me")
        assert (0, False) == (code, answer["changed"])
        assert not (tmp_path / "job").exists()

    @pytest.mark.parametrize(
        ("latest", "until", "code", "verdict"),
        [(7200, 60, 4, "warning"), (1700, 60, 1, "critical"), (None, 60, 4, "warning"), (7200, -1, 1, "critical")],
    )
    def test_the_status_of_an_agent_that_is_away(
        self, call: Any, store: Store, latest: int | None, until: int, code: int, verdict: str
    ) -> None:
        """A warning with exit code 4 while time is left, else critical with 1, so that a timer can tell them apart."""
        named = [] if latest is None else ["--latest-safe-restart", iso_in(latest)]
        began = call(*BEGIN, *named)
        assert (0, True) == (began[0], began[1]["changed"])
        assert {"ok", "changed", "renewed", "maintenance", "leases"} == set(began[1])
        if until < 0:
            overrun(store)
        found, status = call("status")
        assert (code, verdict) == (found, status["verdict"])
        assert (until < 0) == status["maintenance"]["overdue"]
        assert (latest is None) == (status["maintenance"]["seconds_left"] is None)
        ended, answer = call("maintenance", "end", "--owner", "me")
        assert (0, True, None, []) == (ended, answer["changed"], answer["maintenance"], answer["leases"])
        found, status = call("status")
        assert (4, "critical", ["the agent is not running"]) == (found, status["verdict"], status["reasons"])

    @pytest.mark.parametrize("alive", [True, False])
    def test_a_dry_run_answers_as_the_real_one_and_writes_nothing(
        self, call: Any, store: Store, tmp_path: Path, alive: bool
    ) -> None:
        """While the agent runs, which has the state open, and while it is down."""
        store.begin_maintenance(Begin("you", "kernel", 3600, PAST))
        store.add_lease("audit", "tax", 60)
        store.remove_lease("you")
        overrun(store)
        with (tmp_path / "job/agent.lock").open("w") as lock:
            if alive:
                fcntl.flock(lock, fcntl.LOCK_EX)
            else:
                store.close()
            before = stored(tmp_path / "job")
            code, dry = call(*BEGIN, "--dry-run")
            assert before == stored(tmp_path / "job")
            _code, real = call(*BEGIN)
        assert (0, True, not alive) == (code, dry["changed"], dry["renewed"])
        assert ["audit", "me"] == [lease["owner"] for lease in dry["leases"]]
        assert {"began_at", "until"} >= {
            name for name, value in dry["maintenance"].items() if real["maintenance"][name] != value
        }
        assert {"ok", "changed", "renewed"} <= {name for name, value in dry.items() if real[name] == value}

    def test_a_dry_run_is_refused_as_the_real_one(self, call: Any, store: Store) -> None:
        """With the record that is in the way."""
        store.begin_maintenance(Begin("you", "kernel", 3600, None))
        dry = call(*BEGIN, "--dry-run")
        assert dry == call(*BEGIN)
        error = dry[1]["error"]
        assert (3, "refused", "you") == (dry[0], error["code"], error["details"]["maintenance"]["owner"])
