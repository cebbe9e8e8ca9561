# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a job, from what was read of it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.check_record import (
    Part,
    check_record,
    has_provider,
    has_source,
    unanswered_record,
)

NOW = datetime(2026, 1, 31, 4, 5, 6, tzinfo=timezone.utc)
SOURCE = {"login_uri": "mongodb://db1"}
AGENT = {"provider": "embedded", "agent_config": "/etc/orders.yml"}
VENDOR = {"provider": "ops_manager", "ops_manager": {"url": "https://o"}}


def job(**options: Any) -> dict[str, Any]:
    """Return an entry of the option jobs."""
    return {"name": "orders", "machine": "backup1", **options}


def part(verdict: str, *reasons: str) -> Part:
    """Return something that was read."""
    return Part({"verdict": verdict, "reasons": list(reasons), "replica_set": "rs"})


@pytest.mark.parametrize(
    ("verdict", "reasons", "oplog", "backup"),
    [
        ("ok", [], part("ok"), part("ok")),
        ("ok", [], part("ok"), Part()),
        ("warning", ["w"], part("ok"), part("warning", "w")),
        ("critical", ["c", "w"], part("warning", "w"), part("critical", "c")),
        ("critical", ["c", "the oplog could not be read: gone"], Part(error="gone"), part("critical", "c")),
        ("unknown", ["the backup could not be read: gone"], part("ok"), Part(error="gone")),
        (
            "unknown",
            ["there is nothing to check: the job has neither login_uri or login_host nor agent_config nor ops_manager"],
            Part(),
            Part(),
        ),
    ],
)
def test_verdict_and_reasons(verdict: str, reasons: list[str], oplog: Part, backup: Part) -> None:
    """The worst verdict counts and its reasons come first; what could not be read is unknown, and so is a job of nothing."""
    found = check_record(job(**SOURCE), oplog, backup, NOW)
    assert (verdict, reasons, "2026-01-31T04:05:06Z") == (found["verdict"], found["reasons"], found["checked_at"])
    assert (oplog.found, oplog.error) == (found["oplog"], found["oplog_error"])
    assert (backup.found, backup.error) == (found["backup"], found["backup_error"])
    assert ("rs" if oplog.found else None) == found["replica_set"]


@pytest.mark.parametrize(
    ("provider", "oplog_error", "backup_error", "options"),
    [
        (None, "gone", None, SOURCE),
        ("embedded", None, "gone", AGENT),
        ("ops_manager", None, "gone", VENDOR),
        ("embedded", "gone", "gone", {**SOURCE, **AGENT, "cluster": "shop"}),
        (None, None, None, {}),
    ],
)
def test_a_job_whose_machine_gave_no_answer(
    provider: str | None, oplog_error: str | None, backup_error: str | None, options: dict[str, Any]
) -> None:
    """It has every key of one that was read, one reason, and an error for whatever was to be read."""
    found = unanswered_record(job(**options), "gone", NOW)
    assert list(check_record(job(), Part(), Part(), NOW)) == list(found)
    assert ("unknown", ["gone"], options.get("cluster")) == (found["verdict"], found["reasons"], found["cluster"])
    assert (provider, oplog_error, backup_error) == (found["provider"], found["oplog_error"], found["backup_error"])


def test_what_there_is_to_look_at() -> None:
    """Suboptions that were not given may be missing or empty."""
    assert [True, True, False, False] == [
        has_source(one) for one in (SOURCE, {"login_host": "a"}, {"login_uri": None}, {})
    ]
    assert [True, True, False, False] == [has_provider(one) for one in (AGENT, VENDOR, {"ops_manager": {}}, {})]
