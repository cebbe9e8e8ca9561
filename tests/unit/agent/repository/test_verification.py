"""The schedule of the verification, and slices that are damaged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.capture.slices import SliceWriter, files
from backup_agent.config import Config
from backup_agent.daemon import operations
from backup_agent.errors import AgentError, BadConfiguration
from backup_agent.repository import verification
from backup_agent.repository.verification import Verified, check_slices, next_part
from backup_agent.state.store import Store
from tests.unit.agent.jobs import add_snapshot


def found(part: int, parts: int, damaged: bool = False) -> Verified:
    """Return what a verification of a part has found."""
    return Verified("2026-01-01T00:00:00Z", part, parts, 1, (), damaged)


@pytest.mark.parametrize(
    ("expected", "last", "parts"),
    [
        (1, None, 14),
        (2, found(1, 14), 14),
        (1, found(14, 14), 14),
        (3, found(3, 14, damaged=True), 14),
        (4, found(3, 14), 14),
        (4, found(10, 14, damaged=True), 7),
        (1, found(1, 1, damaged=True), 1),
    ],
)
def test_a_part_each_time_and_a_damaged_one_again(expected: int, last: Verified | None, parts: int) -> None:
    """All of it is read in turn; an alert is closed by reading the damaged part well, not by reading another."""
    assert expected == next_part(last, parts)


def written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Write three slices of one entry each."""
    monkeypatch.setattr("backup_agent.capture.slices.SLICE_BYTES", 1)
    writer = SliceWriter(directory, 1)
    for second in (10, 20, 30):
        entry = RawBSONDocument(bson.encode({"ts": Timestamp(second, 1), "t": 1, "op": "n", "o": {"msg": "x" * 100}}))
        writer.append(entry.raw, entry, entry)
    writer.close()
    return files(directory)


def test_whole_slices_are_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are read, and follow each other."""
    written(tmp_path, monkeypatch)
    assert (3, []) == check_slices(tmp_path)


def test_a_flipped_byte_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum of the frame finds it; the slice is named."""
    first = written(tmp_path, monkeypatch)[0]
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    (problem,) = check_slices(tmp_path)[1]
    assert first.name in problem


def test_a_missing_slice_is_named_by_the_one_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap is never taken for a chain."""
    slices = written(tmp_path, monkeypatch)
    slices[1].unlink()
    (problem,) = check_slices(tmp_path)[1]
    assert f"{slices[2].name}: expected it to follow the slice before it" in problem


def test_the_newest_may_be_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is being written while it is read."""
    newest = written(tmp_path, monkeypatch)[-1]
    newest.write_bytes(newest.read_bytes()[:-5])
    assert [] == check_slices(tmp_path)[1]


RESTIC = """#!/bin/sh
case "$*" in
*"cat config"*) echo '{{"id": "r"}}';;
*snapshots*) echo '[{{"id": "id-a", "time": "2026-01-01T00:00:00Z"}}]';;
*check*) [ -z '{found}' ] || {{ echo '{found}' >&2; exit 1; }};;
esac
"""


class Bench:
    """A job with a snapshot, its state, and a restic that has the snapshot, and finds what it is told to find."""

    def __init__(self, where: Path, found: str = "") -> None:
        program = where / "restic"
        program.write_text(RESTIC.format(found=found))
        program.chmod(0o755)
        self.config = Config.model_validate(
            {
                "job": "orders",
                "directory": str(where / "job"),
                "source": {"uri": "mongodb://a.example.com/", "replica_set": "rs0"},
                "head": {"mongod": "/usr/bin/mongod"},
                "repository": {"location": "/r", "password_file": "/p", "restic": str(program)},
            }
        )
        self.store = Store(self.config.state_file)
        (self.config.generation_directory(1) / "slices").mkdir(parents=True)
        add_snapshot(self.store, "a")

    def end(self, state: str, error: AgentError | None = None, finished_at: str | None = None) -> None:
        """Begin and end a verification, as the job does."""
        operation, _ = self.store.start_operation("verification", "schedule", "the interval has passed")
        operations.note_verification(cast(Any, self), operation, state, error)
        self.store.finish_operation(operation.id, state)
        if finished_at is not None:
            self.store.update_operation(operation.id, finished_at=finished_at)

    def verify(self) -> None:
        """Verify, as the step does."""
        nothing: Any = lambda *_, **__: None  # noqa: E731
        verification.verify(
            cast(
                Any,
                SimpleNamespace(
                    config=self.config,
                    store=self.store,
                    generation=1,
                    tick=nothing,
                    alive=nothing,
                    apply_some=nothing,
                    note=nothing,
                ),
            ),
            parts=1,
        )

    @property
    def alerts(self) -> list[tuple[str, str]]:
        """Kind and cause of the open alerts."""
        return [(alert.kind, alert.cause) for alert in self.store.alerts()]


@pytest.mark.parametrize("state", ["failed", "canceled"])
def test_what_did_not_run_is_not_begun_again_at_once(tmp_path: Path, state: str) -> None:
    """A repository that is not mounted must not let the job do nothing else; after a while it is tried again."""
    bench = Bench(tmp_path)
    assert verification.due(bench.store, 24)
    bench.end(state)
    assert not verification.due(bench.store, 24)
    bench.end(state, finished_at="2026-01-02T00:00:00Z")
    assert verification.due(bench.store, 24)


def test_that_nothing_could_be_verified_is_an_alert_until_it_was(tmp_path: Path) -> None:
    """Somebody is told; what an operator has canceled is no news."""
    bench = Bench(tmp_path)
    bench.end("canceled")
    assert [] == bench.alerts
    bench.end("failed", BadConfiguration("repository.location: expected a restic repository at /r, found none"))
    assert [("verification", "not_run")] == bench.alerts
    bench.verify()
    assert [] == bench.alerts
    assert not verification.due(bench.store, 24)


def test_damage_that_was_found_takes_the_place_of_not_having_run(tmp_path: Path) -> None:
    """One alert at a time, the one that says what to do."""
    bench = Bench(tmp_path, found="Fatal: repository contains errors")
    bench.end("failed", BadConfiguration("expected a restic repository at /r, found none"))
    with pytest.raises(verification.Damaged) as caught:
        bench.verify()
    bench.end("failed", caught.value)
    assert [("verification", "damaged")] == bench.alerts
