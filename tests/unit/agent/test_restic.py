"""What restic's last words mean to an operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_agent import restic
from backup_agent.config import Repository
from backup_agent.errors import AgentError, BadConfiguration, Transient

REPOSITORY = Repository(location="rest:https://user:hunter2@host/orders", password_file=Path("/etc/secret"))


@pytest.mark.parametrize(
    ("errors", "kind", "words"),
    [
        ("Fatal: wrong password or no key found", BadConfiguration, "give the agent the password"),
        (
            "Fatal: unable to open config file: stat /x\nIs there a repository at the following location?\n/x",
            restic.RepositoryMissing,
            "mount its disk",
        ),
        ("unable to create lock in backend: repository is already locked by PID 7 on vm", Transient, "wait for it"),
        ("Fatal: write /x: no space left on device", Transient, "make room"),
        ("Fatal: dial tcp: connection refused", Transient, "cannot be reached"),
        ("Fatal: something else https://user:hunter2@host/", restic.ResticFailed, "found exit 1"),
    ],
)
def test_errors_are_told_apart(errors: str, kind: type[AgentError], words: str) -> None:
    """Each error is of the class that its caller needs, says what to do and holds no password."""
    error = restic.explain("backup", 1, errors, REPOSITORY)

    assert kind is type(error)
    assert words in error.message
    assert "hunter2" not in error.message
