# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the commands cost. What a server answers to them is asked from a real one in tests/integration/test_write_rate.py."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog.rate_commands import (
    Budget,
    Meter,
    Sums,
    TooLong,
    ranges,
    run,
)


class Oplog:
    """Takes down the time limits that it is called with, and answers what it was told to."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.limits: list[int | None] = []
        self.stages: list[int] = []

    def aggregate(self, pipeline: Any, **options: Any) -> Any:
        """Answer or raise."""
        self.limits.append(options.get("maxTimeMS"))
        self.stages.append(len(pipeline))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TestRun:
    def test_no_command_gets_more_than_what_is_left(self) -> None:
        """The limit is the server's to keep, so it has to be told, and never told 0, which would be none."""
        oplog, meter = Oplog([]), Meter(Budget(seconds=0.5), spent=0.2)
        run(oplog, [], meter, 10.0)
        meter.spent = 0.5
        run(oplog, [], meter, 10.0)
        run(oplog, [], meter, None)
        assert 290 <= (oplog.limits[0] or 0) <= 300
        assert [1, None] == oplog.limits[1:]

    def test_time_that_is_over(self) -> None:
        """It costs what it took, and the caller goes on with what it has."""
        meter = Meter(Budget())
        with pytest.raises(TooLong):
            run(Oplog(OperationFailure("operation exceeded time limit", 50)), [], meter, 0.1)
        assert meter.spent > 0

    def test_other_failures_are_failures(self) -> None:
        """A missing right is nothing that an estimate could be made from."""
        with pytest.raises(OperationFailure):
            run(Oplog(OperationFailure("not authorized", 13)), [], Meter(Budget()), 0.1)


class TestRanges:
    def test_empty_ranges_have_no_row(self) -> None:
        """The server groups nothing to nothing; every range gets its sums, in the order of the ranges."""
        meter = Meter(Budget())
        rows = [{"_id": 2, "entries": 3, "size": 900, "capped": 800}]
        assert [Sums(), Sums(), Sums(3, 900, 800)] == ranges(Oplog(rows), [(0, 1), (5, 6), (9, 12)], meter, 1.0)
        assert 3 == meter.entries
