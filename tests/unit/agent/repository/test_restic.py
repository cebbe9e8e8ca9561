"""What restic's last words mean to an operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_agent.config import Repository
from backup_agent.errors import AgentError, BadConfiguration, NoRoom, Transient
from backup_agent.repository import failures, restic

REPOSITORY = Repository(location="rest:https://host/orders", password_file=Path("/etc/secret"))


@pytest.mark.parametrize(
    ("errors", "kind", "words"),
    [
        ("Fatal: wrong password or no key found", BadConfiguration, "give the agent the password"),
        (
            "Fatal: unable to open config file: stat /x\nIs there a repository at the following location?\n/x",
            failures.RepositoryMissing,
            "mount its disk",
        ),
        (
            "unable to create lock in backend: repository is already locked by PID 7 on vm",
            failures.Locked,
            "wait for it",
        ),
        (
            "unable to create lock in backend: open /r/locks/1: read-only file system",
            failures.ReadOnly,
            "see its rights",
        ),
        ('Fatal: invalid id "ba7c": no matching ID found for prefix "ba7c"', failures.Gone, "try again"),
        ("Fatal: write /x: no space left on device", NoRoom, "make room"),
        ("Fatal: dial tcp: connection refused", Transient, "cannot be reached"),
        ("Fatal: something else https://user:hunter2@host/", failures.ResticFailed, "found exit 1"),
    ],
)
def test_errors_are_told_apart(errors: str, kind: type[AgentError], words: str) -> None:
    """Each error is of the class that its caller needs, says what to do and holds no password."""
    error = failures.explain("backup", 1, errors, REPOSITORY)

    assert kind is type(error)
    assert words in error.message
    assert "hunter2" not in error.message


STUB = """#!/bin/sh
echo "$*" >> {here}/calls
case "$*" in
*unlock*) case "{error}" in *already*) touch {here}/unlocked;; esac; exit 0;;
*--no-lock*) echo '[]'; exit 0;;
esac
[ -e {here}/unlocked ] && {{ echo '[]'; exit 0; }}
echo "{error}" >&2
exit 1
"""


def stub(here: Path, error: str) -> restic.Restic:
    """Return a repository whose restic fails like this until what is in its way has gone."""
    program = here / "restic"
    program.write_text(STUB.format(here=here, error=error))
    program.chmod(0o755)
    repository = Repository(location=str(here / "r"), password_file=here / "p", restic=str(program))
    return restic.Restic(repository, here / "cache")


def calls(here: Path) -> list[str]:
    """Return how restic was called."""
    return (here / "calls").read_text().splitlines()


def test_the_lock_of_a_process_that_died_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """restic does not look by itself whether it is stale, and an agent's machine that is lost cannot take it back."""
    monkeypatch.setattr(restic, "LOCKED_RETRY_SECONDS", 0)
    assert [] == stub(tmp_path, "Fatal: repository is already locked exclusively by PID 7 on gone").snapshots()
    assert ["--json snapshots", "--json unlock", "--json snapshots"] == calls(tmp_path)


def test_a_lock_that_stays_is_an_error_that_says_how_to_remove_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while; nothing is forced, since its owner may live."""
    monkeypatch.setattr(restic, "LOCKED_SECONDS", 0)
    with pytest.raises(failures.Locked, match="restic unlock --remove-all"):
        stub(tmp_path, "Fatal: repository is already locked by PID 7 on alive").snapshots()


def test_a_repository_that_cannot_be_written_is_read_without_a_lock(tmp_path: Path) -> None:
    """A copy on read-only storage is a backup too; but nothing is changed without a lock."""
    here = stub(tmp_path, "Fatal: unable to create lock in backend: open /r/locks/1: read-only file system")
    assert [] == here.snapshots()
    assert "--json snapshots --no-lock" == calls(tmp_path)[-1]
    with pytest.raises(failures.ReadOnly):
        here.check(1, 2)


def test_a_restic_that_was_killed_is_tried_again() -> None:
    """A signal from outside says nothing about the repository."""
    error = failures.explain("backup", -9, "", REPOSITORY)

    assert Transient is type(error)
    assert "signal 9" in error.message


FLOOD = """#!/bin/sh
yes {what} | tr -d "\\n" | head -c {many}
"""


def test_an_answer_without_an_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write to the repository can forge a manifest: one line of it is not held in memory either."""
    monkeypatch.setattr(restic, "MOST_ANSWER_CHARACTERS", 3_000_000)
    (tmp_path / "restic").write_text(FLOOD.format(what="x", many=1_000_000_000))
    (tmp_path / "restic").chmod(0o755)
    repository = Repository(location=str(tmp_path / "r"), password_file=tmp_path / "p", restic=str(tmp_path / "restic"))
    with pytest.raises(failures.ResticFailed, match="expected at most 3000000 characters"):
        restic.Restic(repository, tmp_path / "cache").dump("a", "/manifest.json")


def test_a_long_answer_is_whole(tmp_path: Path) -> None:
    """It is read in pieces, and nothing is lost between them."""
    (tmp_path / "restic").write_text(FLOOD.format(what="abc", many=5_000_001))
    (tmp_path / "restic").chmod(0o755)
    repository = Repository(location=str(tmp_path / "r"), password_file=tmp_path / "p", restic=str(tmp_path / "restic"))
    expected = ("abc" * 2_000_000)[:5_000_001]
    assert expected == restic.Restic(repository, tmp_path / "cache").dump("a", "/manifest.json")


def test_a_password_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    """Restic is not even started."""
    found = stub(tmp_path, "Fatal")
    (tmp_path / "p").write_text("x")
    (tmp_path / "p").chmod(0o640)
    with pytest.raises(BadConfiguration, match=r"repository\.password_file: expected mode 0600, found 0640"):
        found.snapshots()
    assert not (tmp_path / "calls").exists()
