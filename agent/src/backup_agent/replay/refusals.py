"""What an error of the head is about: its room and other work, which may pass, or what it was told to do."""

from __future__ import annotations

from pymongo.errors import OperationFailure

from backup_agent.state.room import OUT_OF_DISK

UNKNOWN_ERROR = 8
TOO_LARGE_FOR_CACHE = 388
"""TransactionTooLargeForCache: the server says this also of a small transaction, while the cache is full of earlier ones."""
INTERRUPTED = 11601
"""Somebody ended the command, or the server did to save its last disk space."""


def may_pass(error: OperationFailure) -> bool:
    """Whether the error concerns the head's room or other work, and not the content of what it was told to do."""
    return error.code in (OUT_OF_DISK, UNKNOWN_ERROR, TOO_LARGE_FOR_CACHE, INTERRUPTED) or error.has_error_label(
        "TransientTransactionError"
    )
