"""What an error of the head is about: its room and other work, which may pass, or what it was told to do (`error_codes.yml`)."""

from __future__ import annotations

from pymongo.errors import OperationFailure

from backup_agent.state.room import OUT_OF_DISK

UNKNOWN_ERROR = 8
TOO_LARGE_FOR_CACHE = 388
"""TransactionTooLargeForCache: the server says this also of a small transaction, while the cache is full of earlier ones."""
INTERRUPTED = 11601
"""Somebody ended the command, or the server did to save its last disk space."""
SHUTTING_DOWN = (11600, 11602, 10107, 13435, 13436)
"""The head ends, or is not primary yet."""


def may_pass(error: OperationFailure) -> bool:
    """Whether the error concerns the head's room or other work, and not the content of what it was told to do."""
    passing = (OUT_OF_DISK, UNKNOWN_ERROR, TOO_LARGE_FOR_CACHE, INTERRUPTED, *SHUTTING_DOWN)
    return error.code in passing or error.has_error_label("TransientTransactionError")


DUPLICATE_KEY = 11000
OF_AN_INDEX = frozenset(
    {
        2,  # BadValue
        9,  # FailedToParse
        14,  # TypeMismatch
        67,  # CannotCreateIndex
        72,  # InvalidOptions
        85,  # IndexOptionsConflict
        86,  # IndexKeySpecsConflict
        171,  # CannotIndexParallelArrays
        197,  # InvalidIndexSpecificationOption
    }
)
FIRST_ASSERTION = 12_000
"""Codes from here on are the server's assertions, such as those about a value that a geo, text or hashed index does not take."""


def is_about_index(error: OperationFailure) -> bool:
    """Whether a head refuses an index for what it is, or for what the collection holds; not so when it has no time for it."""
    code = error.code or 0
    return not may_pass(error) and (code in (DUPLICATE_KEY, *OF_AN_INDEX) or code >= FIRST_ASSERTION)
