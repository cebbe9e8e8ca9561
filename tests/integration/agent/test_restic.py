"""restic itself, with a repository on disk."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from backup_agent.config import Repository
from backup_agent.errors import BadConfiguration, Canceled, Transient
from backup_agent.repository.failures import RepositoryMissing, ResticFailed
from backup_agent.repository.restic import Restic


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "source"
    (directory / "data" / "diagnostic.data").mkdir(parents=True)
    for name in ("a.wt", "mongod.lock", "diagnostic.data/x"):
        (directory / "data" / name).write_bytes(os.urandom(100_000))
    return directory


@pytest.fixture
def restic(tmp_path: Path) -> Restic:
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text("one")
    found = _open(tmp_path)
    found.prepare(first_use=True)
    return found


def _open(tmp_path: Path, password: str = "password", binary: str = "restic") -> Restic:
    where = Repository(location=str(tmp_path / "repository"), password_file=tmp_path / password, restic=binary)
    return Restic(where, tmp_path / "cache")


def _stored_bytes(tmp_path: Path) -> int:
    return sum(path.stat().st_size for path in (tmp_path / "repository" / "data").rglob("*") if path.is_file())


def test_what_is_stored_is_restored(restic: Restic, source: Path, tmp_path: Path) -> None:
    """A backup is restored byte for byte, without what was left out, and found by its tags."""
    seen: list[tuple[int, int]] = []
    stored = restic.backup(
        source,
        ["data"],
        host="orders",
        tags=["name=a", "job=orders"],
        exclude=["mongod.lock", "diagnostic.data"],
        progress=lambda done, total: seen.append((done, total)),
    )
    restic.restore(stored.restic_id, tmp_path / "target")
    again = restic.backup(source, ["data"], host="orders", tags=["name=b"], exclude=["mongod.lock", "diagnostic.data"])

    assert ["a.wt"] == [path.name for path in (tmp_path / "target" / "data").iterdir()]
    assert (source / "data" / "a.wt").read_bytes() == (tmp_path / "target" / "data" / "a.wt").read_bytes()
    assert 100_000 == stored.bytes_total
    assert stored.bytes_added >= 100_000 > again.bytes_added
    assert [stored.restic_id] == [found.id[:8] for found in restic.snapshots("name=a", "job=orders")]
    assert [] == restic.snapshots("name=a", "job=other")
    assert seen


def test_forgotten_snapshots_free_their_room(restic: Restic, source: Path, tmp_path: Path) -> None:
    """Forgetting prunes, forgetting twice is no error, and the repository stays sound."""
    stored = restic.backup(source, ["data"], host="orders", tags=["name=a"])
    before = _stored_bytes(tmp_path)
    restic.forget([stored.restic_id])
    restic.forget([stored.restic_id])
    restic.check(1, 1)

    assert [] == restic.snapshots()
    assert _stored_bytes(tmp_path) < before / 10


def test_a_wrong_password_is_said_and_not_shown(restic: Restic, tmp_path: Path) -> None:
    """The wrong password is told apart from everything else, without being shown."""
    (tmp_path / "wrong").write_text("hunter2")

    with pytest.raises(BadConfiguration, match="password_file") as error:
        _open(tmp_path, "wrong").snapshots()
    assert "hunter2" not in str(error.value)


def test_a_repository_that_has_gone_is_not_replaced(tmp_path: Path) -> None:
    """A missing repository is created at its first use only: later its disk is just not mounted."""
    (tmp_path / "password").touch(0o600)
    (tmp_path / "password").write_text("one")

    with pytest.raises(RepositoryMissing, match="mount its disk"):
        _open(tmp_path).prepare(first_use=False)
    assert not (tmp_path / "repository").exists()


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    """Without restic the message says what to install."""
    with pytest.raises(BadConfiguration, match="install it"):
        _open(tmp_path, binary="no-such-restic").snapshots()


def test_a_missing_path_fails_the_backup(restic: Restic, source: Path) -> None:
    """A backup without one of its paths is refused: restic would only warn, and store the rest."""
    with pytest.raises(ResticFailed, match="expected missing in"):
        restic.backup(source, ["data", "missing"], host="orders", tags=["name=a"])


def test_a_cancel_ends_restic_and_leaves_no_lock(restic: Restic, source: Path) -> None:
    """What `tick` raises ends restic at once, and the next write is not kept waiting."""
    (source / "data" / "big").write_bytes(os.urandom(300_000_000))
    began = time.monotonic()

    def tick() -> None:
        if time.monotonic() > began + 0.5:
            raise Canceled("canceled by a test")

    with pytest.raises(Canceled):
        restic.backup(source, ["data"], host="orders", tags=["name=a"], tick=tick)

    (source / "data" / "big").unlink()
    restic.prepare(first_use=False)
    restic.forget([restic.backup(source, ["data"], host="orders", tags=["name=b"]).restic_id])


def test_a_lock_of_a_living_process_is_respected_and_a_dead_one_is_removed(
    restic: Restic, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's write makes ours wait, with its owner named; what a killed restic left does not."""
    monkeypatch.setattr("backup_agent.repository.restic.LOCKED_SECONDS", 5)
    stored = restic.backup(source, ["data"], host="orders", tags=["name=a"])
    with subprocess.Popen(
        ["restic", "backup", "--stdin"], env=restic._environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as other:
        while not list((tmp_path / "repository" / "locks").iterdir()):
            time.sleep(0.05)
        with pytest.raises(Transient, match=f"locked by PID {other.pid}"):
            restic.forget([stored.restic_id])
        other.kill()

    restic.forget([stored.restic_id])
    assert [] == restic.snapshots()
