# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters say values as the templates have them."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.filter.text import FilterModule

filters = FilterModule().filters()


def test_a_length_of_time() -> None:
    """A number of seconds, and two moments."""
    assert "1 min 1 s" == filters["duration"](61)
    assert "1 min 1 s" == filters["time_between"]("2026-01-31T04:05:06Z", "2026-01-31T04:06:07Z")
