# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api import reading


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("2015-06-18T14:21:42+00:00", "2015-06-18T14:21:42Z"),
        ("2015-06-18T14:21:42.120000+00:00", "2015-06-18T14:21:42.12Z"),
        ("2015-06-18T12:21:42+00:00", "2015-06-18T14:21:42+0200"),
        ("2015-06-18T16:51:42+00:00", "2015-06-18T14:21:42-02:30"),
        ("2015-06-18T14:21:42+00:00", "2015-06-18T14:21:42"),
        ("2017-12-26T16:32:15+00:00", {"date": "2017-12-26T16:32:15Z", "increment": 1}),
        ("2017-12-26T16:32:15.250000+00:00", 1514305935250),
    ],
)
def test_time(expected: str, value: Any) -> None:
    """All spellings, always in UTC."""
    found = reading.time_of(value)
    assert found is not None
    assert expected == found.isoformat()


@pytest.mark.parametrize("value", [None, "", "soon", "2015-13-18T14:21:42Z", True, [], {}])
def test_no_time(value: Any) -> None:
    """What cannot be read is not known, and stops nothing."""
    assert reading.time_of(value) is None


def test_either() -> None:
    """The first spelling that has a value; false and 0 are values."""
    assert reading.either({"a": None, "b": False, "c": 1}, "a", "b", "c") is False
    assert reading.either({}, "a") is None


def test_lists() -> None:
    """One text is a list of one."""
    assert ("BACKUP",) == reading.texts("BACKUP")
    assert ("1", "a") == reading.texts([1, "a"])
    assert reading.texts(None) is None
    assert [{"a": 1}] == reading.mappings([{"a": 1}, 2])
    assert [] == reading.mappings("x")
    assert {} == reading.mapping([])


def test_as_dict() -> None:
    """A record becomes what JSON can hold, without what the API said."""

    @dataclass(frozen=True)
    class Some(reading.Resource):
        at: datetime
        inner: tuple[Any, ...]

    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    found = Some({"x": 1}, at, (Some({}, at, ()),)).as_dict()
    assert {"at": "2026-01-01T00:00:00Z", "inner": [{"at": "2026-01-01T00:00:00Z", "inner": []}]} == found
