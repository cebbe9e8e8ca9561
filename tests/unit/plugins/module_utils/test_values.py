# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How times are written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.values import iso_of, iso_or_none

AT = datetime(2023, 11, 14, 22, 13, 20, 700_000, tzinfo=timezone.utc)


@pytest.mark.parametrize("moment", [AT, AT.astimezone(timezone(timedelta(hours=2))), 1_700_000_000, 1_700_000_000.7])
def test_a_time_is_shown_in_utc_by_the_second(moment: datetime | float) -> None:
    """Whatever zone it has, and also where it is a number of seconds."""
    assert "2023-11-14T22:13:20Z" == iso_of(moment)


def test_no_time_is_none() -> None:
    """What was never told is null in answers."""
    assert (None, "2023-11-14T22:13:20Z") == (iso_or_none(None), iso_or_none(AT))
