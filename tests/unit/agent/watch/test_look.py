"""`watch`: each state of a job has its level and its line, and looking changes nothing."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from bson.timestamp import Timestamp
from click.testing import CliRunner

from backup_agent.__main__ import main
from backup_agent.config import load
from backup_agent.daemon.loop import hold_lock
from backup_agent.source.certificates import Certificate
from backup_agent.source.oldest import Oldest, estimate
from backup_agent.state.maintenance import Maintenance
from backup_agent.state.records import Live
from backup_agent.state.store import Store
from backup_agent.times import iso_in
from backup_agent.values import Json
from backup_agent.watch import look, output

CAPTURED = 10_000


def record(began: float = -100, oldest: int | None = 4000, **changes: Any) -> Maintenance:
    """Return a record of maintenance that began so many seconds from now."""
    before = None if oldest is None else Timestamp(oldest, 1)
    found = Maintenance("me", "kernel", iso_in(began), iso_in(3600), iso_in(7200), before, Timestamp(CAPTURED, 1))
    return replace(found, **changes)


class Job:
    """A job's configuration and state on disk; its source answers nobody."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "orders.yml"
        settings = {
            "job": "orders",
            "directory": str(directory / "job"),
            "source": {"uri": "mongodb://127.0.0.1:1/", "replica_set": "rs0", "connect_timeout_seconds": 0.1},
            "head": {"mongod": "/usr/bin/mongod"},
            "repository": {"location": "/srv/backups", "password_file": "/etc/orders.restic"},
        }
        self.path.write_text(yaml.safe_dump(settings))
        self.config = load(self.path)

    def state(self, found: Maintenance | None, captured: int | None = None) -> None:
        """Write the state of an agent that has run."""
        store = Store(self.config.state_file)
        if found is not None:
            store.observe("maintenance", found)
        if captured is not None:
            store.observe("live", Live(captured=Timestamp(captured, 1)))
        store.close()

    def call(self, *arguments: str) -> tuple[int, Json]:
        """Run the command."""
        done = CliRunner().invoke(main, ["watch", "--directory", str(self.directory), *arguments, "--json"])
        return done.exit_code, json.loads(done.stdout)

    def look(self) -> tuple[int, Json]:
        """Return the exit code, and what was found of the job."""
        code, answer = self.call()
        return code, answer["jobs"][0]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Give a job that has never run."""
    return Job(tmp_path)


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that says what the members will answer. Real members are asked in tests/integration/agent."""

    def answer(found: Mapping[str, int], silent: Mapping[str, str] | None = None, primary: str | None = "a:1") -> None:
        entries = {name: Timestamp(seconds, 1) for name, seconds in found.items()}
        monkeypatch.setattr(look, "ask", lambda _config: Oldest(entries, silent or {}, primary))

    return answer


def test_an_agent_that_runs_is_good(job: Job) -> None:
    """Under a record, too, as long as its time is not past."""
    job.state(None)
    lock = hold_lock(job.config)
    try:
        code, found = job.look()
        assert (0, "ok", True, "the agent runs") == (code, found["level"], found["alive"], found["text"])
        job.state(record())
        assert (0, "ok") == (job.call()[0], job.look()[1]["level"])
        job.state(record(until=iso_in(-60)))
        code, found = job.look()
        assert (1, "warning") == (code, found["level"])
        assert "was never ended; run maintenance_end" in found["text"]
    finally:
        os.close(lock)


@pytest.mark.parametrize("has_run", [False, True])
def test_an_agent_that_is_down_without_a_record_is_critical(job: Job, has_run: bool) -> None:
    """Nobody wanted that, and no state is made by looking."""
    if has_run:
        job.state(None)
    code, found = job.look()
    assert (1, "critical", False) == (code, found["level"], found["alive"])
    assert "no maintenance is recorded; start the agent: " in found["text"]
    assert has_run == job.config.directory.exists()


@pytest.mark.parametrize(
    ("found", "level", "by", "words"),
    [
        ({"a:1": 4000}, "ok", "record", "it has to run again by"),  # nothing has moved: the record decides
        ({"a:1": 4010, "b:1": 9000}, "ok", "record", "it has to run again by"),  # 5990 / 0.1 is later than the record
        (
            {"a:1": 5000, "b:1": 9000},
            "critical",
            "source",
            r"loses (10|9\.\d+) s of that each second",
        ),  # 5000 / 10, a moment later
        ({"a:1": 9999}, "critical", "source", "it had to run again by"),  # 1 / 60
    ],
)
def test_the_earlier_time_counts(job: Job, members: Any, found: Json, level: str, by: str, words: str) -> None:
    """The member that reaches back furthest, and how fast its oldest entry moves on, say how long the cursor can wait."""
    job.state(record())
    members(found)
    code, seen = job.look()
    assert (int(level != "ok"), level, by) == (code, seen["level"], seen["decided_by"])
    assert re.search(words, seen["text"])


def test_what_was_captured_after_the_record_counts(job: Job, members: Any) -> None:
    """A daemon that ran on for a while has captured more than the record says."""
    job.state(record(), captured=20_000)
    members({"a:1": 15_000, "b:1": 15_000})
    assert (False, 5000) == (job.look()[1]["lost"], job.look()[1]["source"]["headroom_seconds"])


@pytest.mark.parametrize(
    ("found", "silent", "primary", "lost"),
    [
        ({"a:1": CAPTURED + 1, "b:1": CAPTURED + 2}, {}, "a:1", True),
        ({"a:1": CAPTURED + 1, "b:1": CAPTURED}, {}, "a:1", False),
        ({"a:1": CAPTURED + 1}, {"b:1": "no"}, "a:1", False),
        ({"a:1": CAPTURED + 1, "b:1": CAPTURED + 2}, {}, None, False),
        ({}, {"a:1": "no"}, "a:1", False),
    ],
)
def test_a_cursor_is_lost_only_when_every_member_says_so(
    job: Job, members: Any, found: Json, silent: Json, primary: str | None, lost: bool
) -> None:
    """Silence of one, or of the primary about who is a member, leaves hope: it is said, and it is no `Resync Required`."""
    job.state(record())
    members(found, silent, primary)
    code, seen = job.look()
    assert (1, lost) == (code, seen["lost"])
    assert lost == ("Resync Required: " in seen["text"])
    assert lost == ("run: ansible-playbook mongodb_ops.backup.resync --limit orders" in seen["text"])


def test_only_the_primary_has_what_is_needed(job: Job, members: Any) -> None:
    """The agent never reads from it, so starting it would not be enough."""
    job.state(record())
    members({"a:1": 4000, "b:1": CAPTURED + 1})
    code, seen = job.look()
    assert (1, "critical") == (code, seen["level"])
    assert "make it step down" in seen["text"]


def test_a_resync_that_is_required_already_is_said(job: Job) -> None:
    """The agent has found it out itself before it went down."""
    job.state(record())
    store = Store(job.config.state_file)
    store.raise_alert("resync_required", "oplog_rolled_over", {})
    store.close()
    code, seen = job.look()
    assert (1, "critical", True) == (code, seen["level"], seen["lost"])
    assert "--limit orders" in seen["text"]


def test_a_source_that_is_silent_is_a_warning(job: Job) -> None:
    """The record decides then; and without a latest safe restart in it nothing does."""
    job.state(record())
    code, seen = job.look()
    assert (1, "warning", "record") == (code, seen["level"], seen["decided_by"])
    assert "the source did not answer (" in seen["text"]
    assert "configured timeouts" not in seen["text"]
    job.state(record(latest_safe_restart=None))
    seen = job.look()[1]
    assert ("warning", None, None) == (seen["level"], seen["latest_safe_restart"], seen["seconds_left"])
    job.state(record(latest_safe_restart=iso_in(60)))
    assert "critical" == job.look()[1]["level"]


def test_one_that_is_silent_is_named(job: Job, members: Any) -> None:
    """Members that answer tell enough; a database host may be away as well."""
    job.state(record())
    members({"a:1": 4000}, {"b:1": "connection refused"})
    code, seen = job.look()
    assert (0, "ok") == (code, seen["level"])
    assert "b:1 did not answer (connection refused)" in seen["text"]


def test_how_early_it_warns(job: Job, members: Any) -> None:
    """The latest safe restart is two hours away."""
    job.state(record())
    members({"a:1": 4000})
    assert [0, 1] == [job.call("--warn-before-minutes", minutes)[0] for minutes in ("119", "121")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"job: [", "expected YAML"),
        (b"\xff\xfe", "expected text in UTF-8"),
        (b"job: orders\n", "directory: missing"),
        (None, "expected a readable configuration file"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_a_warning(job: Job, content: bytes | None, words: str) -> None:
    """It does not keep the other jobs from being checked."""
    job.state(record())
    bad = job.directory / "broken.yml"
    if content is None:
        bad.mkdir()
    else:
        bad.write_bytes(content)
    code, answer = job.call()
    assert 1 == code
    assert ["broken", "orders"] == [found["job"] for found in answer["jobs"]]
    assert ("warning", None) == (answer["jobs"][0]["level"], answer["jobs"][0]["alive"])
    assert words in answer["jobs"][0]["text"]


def test_state_that_is_damaged_is_a_warning(job: Job) -> None:
    """What cannot be read is not known."""
    job.config.directory.mkdir()
    job.config.state_file.write_bytes(b"no database" * 1000)
    assert ("warning", True) == (job.look()[1]["level"], "nothing is known" in job.look()[1]["text"])


def test_a_machine_without_jobs_is_in_order(tmp_path: Path) -> None:
    """Its jobs are yet to come, or were removed; a directory that is not there is a wrong option."""
    done = CliRunner().invoke(main, ["watch", "--directory", str(tmp_path)])
    assert (0, "") == (done.exit_code, done.stdout.strip())
    done = CliRunner().invoke(main, ["watch", "--directory", str(tmp_path / "none")])
    assert (2, True) == (done.exit_code, "name it with --directory" in done.stderr)


class TestLooking:
    def files(self, job: Job) -> dict[str, tuple[int, int, bytes]]:
        """Return who has each file of the job, its mode and its content."""
        found = {}
        for path in sorted(job.config.directory.iterdir()):
            facts = path.stat()
            found[path.name] = (facts.st_uid, facts.st_mode, path.read_bytes())
        return found

    def own(self, job: Job) -> None:
        """Give the job's files to another user."""
        for path in (job.config.directory, *job.config.directory.iterdir()):
            os.chown(path, 12345, 12345)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can read other users' files")
    def test_root_leaves_the_files_of_the_agents_user_alone(self, job: Job) -> None:
        """After a clean stop there is only the state file, and it stays alone."""
        job.state(record())
        self.own(job)
        before = self.files(job)
        assert "warning" == job.look()[1]["level"]
        assert before == self.files(job)
        assert ["state.sqlite"] == list(before)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can read other users' files")
    @pytest.mark.parametrize("index", [True, False])
    def test_root_leaves_the_files_of_a_crash_to_the_agents_user(self, job: Job, index: bool) -> None:
        """What was only in the write-ahead log is read, whether its index is there or is made again for its owner."""
        store = Store(job.config.state_file)
        store.observe("maintenance", record(owner="crashed"))
        copies = {path.name: path.read_bytes() for path in job.config.directory.iterdir()}
        store.close()
        for name, content in copies.items():
            if index or not name.endswith("-shm"):
                (job.config.directory / name).write_bytes(content)
        self.own(job)
        assert "crashed" == job.look()[1]["maintenance"]["owner"]
        found = self.files(job)
        assert {"state.sqlite", "state.sqlite-wal"} <= set(found)
        assert {12345} == {owner for owner, _mode, _content in found.values()}
        assert copies["state.sqlite-wal"] == found["state.sqlite-wal"][2]

    def test_it_reads_beside_a_daemon_that_writes(self, job: Job) -> None:
        """Nothing that has been committed is missed, and the reader cannot write."""
        store = Store(job.config.state_file)
        store.observe("maintenance", record(owner="now"))
        reader = Store(job.config.state_file, reading=True)
        assert "now" == getattr(reader.maintenance(), "owner", None)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.observe("maintenance", record())
        reader.close()
        store.close()


def test_no_rate_without_a_beginning() -> None:
    """What was not observed, or has not moved, tells nothing; the same moment has no duration."""
    oldest = Oldest({"a:1": Timestamp(5000, 1)}, {}, "a:1")
    captured = Timestamp(CAPTURED, 1)
    for before, elapsed in (
        (None, 100),
        (Timestamp(5000, 1), 100),
        (Timestamp(6000, 1), 100),
        (Timestamp(4000, 1), -5),
    ):
        seen = estimate(oldest, captured, before, elapsed)
        assert (5000, None, None) == (seen.headroom_seconds, seen.rate, seen.left_seconds)
    assert estimate(oldest, None, Timestamp(4000, 1), 100).headroom_seconds is None
    assert estimate(Oldest(problem="no"), captured, Timestamp(4000, 1), 100).left_seconds is None


ENDING = Certificate("ca_file", "/ca.pem", "2026-01-01T00:00:00Z")


class TestOutput:
    FOUND = (
        look.Finding("a", "ok", "runs", True, certificates=(ENDING,)),
        look.Finding("b", "warning", "two\nlines", None),
        look.Finding("c", "critical", "down", False, record(), "2026-01-01T00:00:00Z"),
    )

    def test_lines(self) -> None:
        """One line for each, and for the journal with its priority."""
        value = {"jobs": [found.to_json() for found in self.FOUND], "problems": ["oh"]}
        assert ["a: runs", "b: two lines", "c: down", "oh"] == output.lines(value, False)
        assert ["<6>a: runs", "<4>b: two lines", "<2>c: down", "<4>oh"] == output.lines(value, True)

    def test_the_journal_is_recognised(self) -> None:
        """Only where the descriptor is what the variable names: a pipe in a service is not the journal."""
        reading, writing = os.pipe()
        facts = os.fstat(writing)
        named = {"JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino}"}
        assert output.is_journal(writing, named)
        assert not output.is_journal(writing, {})
        assert not output.is_journal(writing, {"JOURNAL_STREAM": "1:2"})
        os.close(reading)
        os.close(writing)
        assert not output.is_journal(writing, named)

    def test_metrics(self, tmp_path: Path) -> None:
        """What is not known is left out, but an agent that is not known to be up is down."""
        path = tmp_path / "x.prom"
        path.write_text("old")
        output.write(path, output.metrics(self.FOUND))
        text = path.read_text()
        assert 0o644 == stat.S_IMODE(path.stat().st_mode)
        assert ["x.prom"] == [found.name for found in tmp_path.iterdir()]
        for name, value in (("a", 1.0), ("b", 0.0), ("c", 0.0)):
            assert f'mongodb_backup_agent_up{{backup="{name}",job="{name}"}} {value}\n' in text
        assert 'mongodb_backup_maintenance{backup="c",job="c",owner="me"} 1.0\n' in text
        assert 'latest_safe_restart_timestamp_seconds{backup="c",job="c"} 1.7672256e+09\n' in text
        assert 'latest_safe_restart_left_seconds{backup="c",job="c"} -' in text
        assert 1 == text.count("\nmongodb_backup_latest_safe_restart_left_seconds{")
        labels = 'backup="a",file="/ca.pem",job="a"'
        assert f"\nmongodb_backup_certificate_expiry_timestamp_seconds{{{labels}}} 1.7672256e+09\n" in text

    def test_a_file_that_cannot_be_written_is_a_warning(self, job: Job) -> None:
        """The jobs are told of all the same, and nothing is left behind."""
        job.state(record())
        code, answer = job.call("--textfile", str(job.directory / "none" / "x.prom"))
        assert (1, 1) == (code, len(answer["jobs"]))
        assert "--textfile: expected to write" in answer["problems"][0]
        target = job.directory / "x.prom"
        target.mkdir()
        job.call("--textfile", str(target))
        assert ["job", "orders.yml", "x.prom"] == sorted(found.name for found in job.directory.iterdir())
