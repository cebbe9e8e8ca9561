# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads of the oldest part of an oplog: they lose their place when the member removes the entry at which they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

try:
    from pymongo.errors import OperationFailure
except ImportError:
    pass  # `connection.HAS_PYMONGO` says so

CAPPED_POSITION_LOST = 136
ATTEMPTS = 5

Found = TypeVar("Found")


def asked_again(read: Callable[[], Found], attempts: int = ATTEMPTS) -> Found:
    """Return what a read returns; one that has lost its place is begun again. Raises what it raises otherwise, and in the end."""
    try:
        return read()
    except OperationFailure as error:
        if error.code != CAPPED_POSITION_LOST or attempts == 1:
            raise
    return asked_again(read, attempts - 1)
