"""The errors of the agent, one class for each thing that a caller does about them.

Every text says what was expected, what was found and what to do next; none contains a secret or a whole document.
"""

from __future__ import annotations

from typing import Any


class AgentError(Exception):
    """Base of all. `code` and `exit_code` are part of the command line's contract (docs/agent-cli.md)."""

    code = "failed"
    exit_code = 1

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def detail(self) -> dict[str, Any]:
        """What an alert says of it."""
        return {"message": self.message, **self.details}

    def to_json(self) -> dict[str, Any]:
        """Return the `error` object of the envelope."""
        return {"code": self.code, "message": self.message, "details": self.details}


class BadConfiguration(AgentError):
    """The configuration file cannot be used; the operator edits it."""

    code = "bad_configuration"
    exit_code = 2


class Refused(AgentError):
    """The request is understood and not carried out; nothing was changed."""

    code = "refused"
    exit_code = 3


class OperationOpen(Refused):
    """Somebody else's operation is open on this job."""

    code = "operation_open"


class PreflightFailed(Refused):
    """A resync would not succeed; the failed checks are in `details`."""

    code = "preflight_failed"


class NotFound(Refused):
    """There is no operation or snapshot of that name."""

    code = "not_found"


class AgentDown(AgentError):
    """The daemon of the job is not running."""

    code = "agent_down"
    exit_code = 4


class Transient(AgentError):
    """It may work in a moment: a member is unreachable, there is no primary, the disk is full. The loop tries again."""

    code = "unknown"
    exit_code = 5


class AccessRefused(Transient):
    """A member refuses the login, or one side does not trust the other's certificate: it passes once a file is right.

    `cause` is `login` or `certificate`.
    """

    code = "bad_configuration"
    exit_code = 2

    def __init__(self, cause: str, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.cause = cause


class NoRoom(Transient):
    """A disk is full, or nearly: what was to be written waits until there is room.

    `place` says which: `directory`, `head`, `slices` or `repository`.
    """

    code = "disk_full"

    def __init__(self, message: str, place: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.place = place


class Canceled(AgentError):
    """The operation was canceled by an operator."""

    code = "canceled"


class Shutdown(AgentError):
    """The daemon was told to stop; the operation goes on at its next start."""

    code = "shutdown"


class OperationFailed(AgentError):
    """A step of an operation found that it cannot succeed (a mismatch, a lost race); retrying by itself would not help."""


class ResyncRequired(AgentError):
    """There is no longer enough data to restore: the job stops until it is resynced.

    `cause` is `oplog_rolled_over`, `unsafe_apply_ops` or `corruption` (the three of the vendor's alert).
    """

    code = "resync_required"

    def __init__(self, cause: str, message: str, **details: Any) -> None:
        super().__init__(message, **details)
        self.cause = cause


class Unsupported(AgentError):
    """An oplog entry or a collection that this version cannot replay faithfully: the job stops and names it."""

    code = "unsupported_operation"
