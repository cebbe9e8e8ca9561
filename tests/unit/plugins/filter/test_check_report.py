# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters take records as the module returns them."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.filter.check_report import FilterModule
from tests.integration.records import records

filters = FilterModule().filters()


def test_a_row_and_metrics_for_each_job() -> None:
    """Nothing is lost, whatever the records are like."""
    checks = records(12)
    assert [check["job"] for check in checks] == [row["job"] for row in filters["check_rows"](checks)]
    verdicts = filters["check_metrics"](checks, "2026-01-31T04:05:06Z")[1]
    assert ("mongodb_backup_verdict", 12 * 4) == (verdicts["name"], len(verdicts["samples"]))
