# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the reports say of each job."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.rows import check_rows, size
from tests.integration.records import backup, oplog, record

Json = dict[str, Any]
FACTS = {
    "State": "tailing",
    "Behind the majority": "2 s",
    "Behind the primary": "3 s",
    "Copy behind capture": "0 s",
    "Headroom": "47 h 13 min",
    "Slack in busy times": "35.0 h",
    "Newest good snapshot": "auto-20261124T060000, 3.4 h old",
    "Newest proven snapshot": "auto-20261124T060000, 27.4 h old",
    "Last full sync": "resync-20260801T020000-7, 115.2 days ago",
    "Last validation": "equal, 0.3 days ago",
}


def window(**changes: Any) -> Json:
    """Return an oplog record of 48 hours."""
    return oplog(random.Random(1), 48.0, **changes)


def row(**changes: Any) -> Json:
    """Return the row of a record."""
    (found,) = check_rows([record("orders", "ok", **changes)])
    return found


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (("–", "–", "–", "–"), {}),
        (("48.0 h", "–", "–", "–"), {"oplog": window()}),
        (("–", "–", "–", "–"), {"oplog": window(window_hours=None, write_rate=None)}),
        (("–", "2 s", "35.0 h", "27.4 h"), {"backup": backup()}),
        (("2.0 h", "2 s", "35.0 h", "27.4 h"), {"backup": backup(status={"oplog_window_seconds": 7200})}),
        (
            ("48.0 h", "2 s", "35.0 h", "27.4 h"),
            {"oplog": window(), "backup": backup(status={"oplog_window_seconds": 7200})},
        ),
        (
            ("–", "–", "–", "–"),
            {"backup": backup(backup_lag_seconds=None, slack_minutes=None, last_proven_snapshot=None)},
        ),
    ],
)
def test_the_cells(expected: tuple[str, ...], changes: Json) -> None:
    """What is not known is a dash; what the provider measured stands in for what was not measured here."""
    assert expected == tuple(row(**changes)["cells"].values())


def test_a_line_stays_one() -> None:
    """Whatever is in a name or a reason, and however long it is; the section has all of it."""
    found = row(job="torn\x1b[2J " + "a" * 20, reasons=["one\ntwo " + "b" * 50, "two"])
    assert ("torn [2J aaaaaaaaaa…", "one two " + "b" * 40 + "…") == (found["short_job"], found["short_reason"])
    assert ("one\ntwo " + "b" * 50, 2) == (found["reason"], len(found["reasons"]))
    assert ("", "") == (row()["reason"], row()["short_reason"])


@pytest.mark.parametrize(
    ("place", "replica_set"), [("orders, read on backup1 at", "orders"), ("read on backup1 at", None)]
)
def test_the_place(place: str, replica_set: str | None) -> None:
    """The replica set is said where it is known."""
    assert f"{place} 2026-11-24T09:24:00Z" == row(replica_set=replica_set)["place"]


@pytest.mark.parametrize(
    ("behind", "changes"),
    [
        ("", None),
        (" The backup's lag is not known.", {"backup_lag_seconds": None}),
        (" The thin bar is the backup's lag, 2 s; the rest of the window is its headroom, 47 h 13 min.", {}),
        (" The thin bar is the backup's lag, 2 s; its headroom is not known.", {"headroom_seconds": None}),
        (
            " The thin bar is the backup's lag, 2 days 1 h: longer than the window, so what the backup needs next is gone.",
            {"headroom_seconds": None, "backup_lag_seconds": 49 * 3600.0},
        ),
    ],
)
def test_what_the_thin_bar_means(behind: str, changes: Json | None) -> None:
    """A job without a backup has none."""
    found = row(oplog=window(), backup=None if changes is None else backup(**changes))["oplog"]
    assert found["window_legend"].endswith(f" and at its peak, 18.2 h.{behind}")
    assert (found["window"]["lag"] is None) is ("thin bar" not in behind)


def test_an_oplog_that_nobody_could_read() -> None:
    """There is nothing to draw, and its members say why."""
    found = row(oplog=window(window_hours=None, write_rate=None, write_rate_reason="the user may not ask"))["oplog"]
    assert (None, "", None, "the user may not ask") == tuple(
        found[key] for key in ("window", "window_legend", "rate", "rate_legend")
    )
    assert "it was not asked for" == row(oplog=window(write_rate=None))["oplog"]["rate_legend"]
    assert row()["oplog"] is None


def test_the_rate_of_writing() -> None:
    """Where it is from, and how large an oplog it needs."""
    rate = {"mean_bytes_per_second": 10, "p95_bytes_per_second": 2048, "peak_bytes_per_second": 5e6, "buckets": []}
    rate |= {"peak_at": "2026-11-24T12:00:00Z", "bucket_seconds": 600, "exact": True, "member": "db1:27017"}
    found = row(oplog=window(write_rate=rate, recommended_oplog_bytes=None))["oplog"]
    assert found["rate_legend"] == (
        "Mean 10.00 Bytes/s, busy times (p95, dashed) 2.00 KB/s, peak 4.77 MB/s at 2026-11-24T12:00:00Z, by 10 min 0 s; "
        "read from db1:27017. An oplog of – holds 24.0 h of busy times."
    )
    assert (
        "; estimated from db1:27017." in row(oplog=window(write_rate={**rate, "exact": False}))["oplog"]["rate_legend"]
    )


def test_members() -> None:
    """What is special about one is said beside its state; what is not known is a dash."""
    special = {"hidden": True, "delay_seconds": 60, "wrapped": False, "verdict": None, "reason": None}
    unknown = dict.fromkeys(("window_hours", "forecast_p95_hours", "used_bytes", "max_bytes"))
    whole = window()["members"][0]
    first, second = row(oplog=window(members=[whole, {**whole, **special, **unknown}]))["oplog"]["members"]
    assert ("PRIMARY", "ok", "ok", "48.0 h", "944.14 MB") == tuple(
        first[key] for key in ("state", "verdict", "look", "window", "size")
    )
    assert {
        "member": "db0.example.com:27017",
        "state": "PRIMARY, hidden, delayed, young",
        "verdict": "–",
        "look": "quiet",
        **dict.fromkeys(("window", "p95", "used", "size"), "–"),
        "reason": "",
    } == second


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ({}, {}),
        ({"State": "–", "Headroom": "–"}, {"state": None, "headroom_seconds": None}),
        ({"Oplog window, as the provider measures it": "2.0 h"}, {"status": {"oplog_window_seconds": 7200}}),
        (
            {"Newest good snapshot": "none", "Newest proven snapshot": "none"},
            {"last_snapshot": None, "last_proven_snapshot": None},
        ),
        ({"Newest good snapshot": "s, age not known"}, {"last_snapshot": {"name": "s", "age_hours": None}}),
        ({"Last full sync": "none", "Last validation": "none"}, {"last_resync": None, "last_validation": None}),
        ({"Last full sync": "r-1, age not known"}, {"last_resync": {"operation": "r-1", "age_days": None}}),
        ({"Last validation": "different, 2.0 days ago"}, {"last_validation": {"equal": False, "age_days": 2}}),
        (
            {"Last validation": "result not known, age not known"},
            {"last_validation": {"equal": None, "age_days": None}},
        ),
    ],
)
def test_the_facts_of_a_backup(expected: Json, changes: Json) -> None:
    """All of them, with their units; a result that is not known is not a bad one."""
    assert {**FACTS, **expected} == dict(row(backup=backup(**changes))["facts"])


def test_a_verdict_that_is_none() -> None:
    """It becomes a class of the page: it is unknown, of the job and of a member."""
    member = {**window()["members"][0], "verdict": "<b>"}
    (found,) = check_rows([record("orders", "<b>", oplog=window(members=[member]))])
    assert ("unknown", "unknown") == (found["verdict"], found["oplog"]["members"][0]["look"])


def test_without_a_backup() -> None:
    """There is nothing to say of one."""
    assert ([], []) == (row()["facts"], row()["alerts"])


def test_alerts() -> None:
    """A detail that is no text is shown as it is."""
    alerts = [
        {"kind": "resync_required", "cause": "oplog_rolled_over", "since": "now", "detail": {"a": 1}},
        {"kind": "stopped", "detail": "it is"},
    ]
    found = row(backup=backup(alerts=alerts))["alerts"]
    assert [("resync_required", "oplog_rolled_over", "now", '{"a": 1}'), ("stopped", "", "", "it is")] == [
        tuple(alert.values()) for alert in found
    ]


def test_size() -> None:
    """As the filter human_readable, and a dash where it is not known."""
    assert ("–", "0.00 Bytes", "1.50 KB") == (size(None), size(0), size(1536.9))
