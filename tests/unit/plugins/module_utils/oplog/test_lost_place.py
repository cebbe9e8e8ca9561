# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often a read is begun again; tests/integration/test_oplog_edge.py has the server's own answers."""

from __future__ import annotations

import pytest
from pymongo.errors import OperationFailure

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.lost_place import (
    ATTEMPTS,
    CAPPED_POSITION_LOST,
    asked_again,
)


class Reader:
    """Fails so many times before it answers."""

    def __init__(self, failures: int, code: int) -> None:
        self.asked, self._failures, self._code = 0, failures, code

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self._failures:
            raise OperationFailure("lost", self._code)
        return "found"


def test_the_last_attempt_counts() -> None:
    """One failure less than there are attempts."""
    assert "found" == asked_again(Reader(ATTEMPTS - 1, CAPPED_POSITION_LOST))


@pytest.mark.parametrize(("failures", "code", "asked"), [(ATTEMPTS, CAPPED_POSITION_LOST, ATTEMPTS), (1, 8, 1)])
def test_not_for_ever_and_for_no_other_reason(failures: int, code: int, asked: int) -> None:
    """The server's own error comes through."""
    reader = Reader(failures, code)
    with pytest.raises(OperationFailure):
        asked_again(reader)
    assert asked == reader.asked
