"""What it means that restic failed: an error for each thing that can be done about it."""

from __future__ import annotations

import re

from backup_agent.config import Repository
from backup_agent.errors import AgentError, BadConfiguration, NoRoom, OperationFailed, Transient


class ResticFailed(OperationFailed):
    """restic ended with an error that a retry does not mend."""


class Gone(ResticFailed):
    """What was asked for is not in the repository any more: it was forgotten meanwhile."""


class Strange(ResticFailed):
    """A snapshot holds what no agent stores."""


class RepositoryMissing(BadConfiguration):
    """There is no repository at the location."""


class Locked(Transient):
    """Another process works on the repository, or one that has died left its lock."""


class ReadOnly(BadConfiguration):
    """The repository cannot be written, not even a lock."""


def explain(command: str, code: int, errors: str, repository: Repository) -> AgentError:
    """Return the error that restic's last words mean, with what to do. Secrets in URLs are left out."""
    where, text = redact(repository.location), redact(errors.strip())
    low = text.lower()
    if "wrong password" in low or "resolving password failed" in low:
        return BadConfiguration(
            f"repository.password_file: restic cannot open {where} with the password in {repository.password_file}; "
            "give the agent the password that the repository was created with"
        )
    if "no space left" in low or "disk quota exceeded" in low:
        return NoRoom(
            f"restic {command}: no space left ({_last(text)}); make room for {where} or for the job's directory",
            "repository",
        )
    if code < 0:  # killed from outside: that says nothing about the repository
        return Transient(f"restic {command}: ended by signal {-code}; it is tried again")
    if "already locked" in low:
        return Locked(
            f"restic {command}: {where} is in use: {_last(text, 4)}; wait for it, or end that process; a lock of a machine that "
            "is gone for good is removed with restic unlock --remove-all"
        )
    if "unable to create lock" in low and any(
        word in low for word in ("read-only", "permission denied", "access denied")
    ):
        return ReadOnly(f"restic {command}: expected to write {where}, found: {_last(text)}; see its rights")
    if "no matching id found" in low:
        return Gone(f"restic {command}: expected a snapshot in {where} that is there no more: {_last(text)}; try again")
    if "is there a repository" in low or "unable to open config file" in low:
        return RepositoryMissing(
            f"repository.location: expected a restic repository at {where}, found none; mount its disk, or correct the location"
        )
    if any(
        word in low for word in ("connection refused", "no such host", "i/o timeout", "connection reset", "temporarily")
    ):
        return Transient(f"restic {command}: {where} cannot be reached: {_last(text)}; it is tried again")
    return ResticFailed(f"restic {command}: expected success on {where}, found exit {code}: {_last(text, 3)}")


def _last(text: str, lines: int = 1) -> str:
    return " / ".join(text.splitlines()[-lines:])[:400]


def redact(text: str) -> str:
    """Return text without user names and passwords in URLs."""
    return re.sub(r"//[^/\s@]+@", "//", text)
