# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of this collection: one class per thing that the caller does next.

Every message is one line that says what was expected, what was found and what to do. None holds a secret.
"""

from __future__ import annotations

from typing import Any


class BackupError(Exception):
    """The base; raised only as one of the classes below."""

    #: Whether the same call may succeed a little later without anybody doing anything.
    retry = False

    def __init__(self, message: str, *, code: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details or {}

    def failure(self) -> dict[str, Any]:
        """Return the arguments of fail_json."""
        error = {"code": self.code, "message": self.message, "retry": self.retry, "details": self.details}
        return {"msg": self.message, "error": error}


class FixInput(BackupError):
    """Nothing was changed; an option, a configuration file or an installed version has to be corrected."""


class AskOperator(BackupError):
    """Nothing was changed; the present state does not allow the request."""


class RetryLater(BackupError):
    """Somebody who had to be asked could not be: nothing is known, and nothing may be decided."""

    retry = True


class GiveUp(BackupError):
    """The work was tried and failed, or the answer makes no sense."""


def sentence(*, expected: str, found: str, remedy: str) -> str:
    """Put a message into the one form that all of them have, on one line."""
    return " ".join(f"Expected {expected}, found {found}; {remedy}.".split())


def bad_option(expected: str, found: str, remedy: str) -> FixInput:
    """Return the refusal of an option that makes no sense, whatever the servers say."""
    return FixInput(sentence(expected=expected, found=found, remedy=remedy), code="bad_option")
