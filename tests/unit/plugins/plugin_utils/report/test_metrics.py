# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metrics of a check, as Prometheus takes them. That it does: tests/integration/test_report.py."""

from __future__ import annotations

import random
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.metrics import check_metrics
from tests.integration.records import backup, oplog, record

Json = dict[str, Any]
ORDERS = '{backup="orders",cluster="",machine="backup1"}'
RECORD = record("orders", "ok", oplog=oplog(random.Random(1), 48.0), backup=backup())


def samples(name: str, *records: Json) -> list[str]:
    """Return the samples of a metric."""
    (metric,) = (
        one for one in check_metrics(records, "2026-01-31T04:05:06Z") if one["name"] == f"mongodb_backup_{name}"
    )
    assert metric["help"]
    found: list[str] = metric["samples"]
    return found


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("172800.0", "oplog_window_seconds"),
        ("86400.0", "oplog_window_wanted_seconds"),
        (str(RECORD["oplog"]["forecast_p95_hours"] * 3600), "oplog_forecast_p95_seconds"),
        (str(RECORD["oplog"]["forecast_peak_hours"] * 3600), "oplog_forecast_peak_seconds"),
        (str(RECORD["oplog"]["recommended_oplog_bytes"]), "oplog_recommended_bytes"),
        ("5729.2", "oplog_written_bytes_per_second"),
        ("2.0", "lag_seconds"),
        ("3.0", "lag_primary_seconds"),
        ("0.0", "apply_lag_seconds"),
        ("170000.0", "headroom_seconds"),
        ("126030.0", "slack_seconds"),
        ("12240.0", "snapshot_age_seconds"),
        ("98640.0", "proven_snapshot_age_seconds"),
        (str(115.2 * 86400), "resync_age_seconds"),
        (str(0.3 * 86400), "validation_age_seconds"),
    ],
)
def test_measures(value: str, name: str) -> None:
    """In seconds and bytes; of a job of which nothing is known there is no sample."""
    nothing = {**backup(), **dict.fromkeys(("backup_lag_seconds", "backup_lag_primary_seconds", "apply_lag_seconds"))}
    nothing |= dict.fromkeys(("headroom_seconds", "slack_minutes", "last_snapshot", "last_proven_snapshot"))
    nothing |= dict.fromkeys(("last_resync", "last_validation"))
    silent, empty = record("silent", "unknown"), record("empty", "ok", backup=nothing)
    assert [f"{ORDERS} {value}"] == samples(name, RECORD, silent, empty)


@pytest.mark.parametrize("text", ["1", "1\nmongodb_backup_verdict 0"])
def test_a_text_is_no_measure(text: str) -> None:
    """Its lines would be metrics."""
    with pytest.raises(TypeError, match=r"expected a number as backup\.headroom_seconds, found str"):
        samples("headroom_seconds", record("orders", "ok", backup=backup(headroom_seconds=text)))


def test_when_the_check_ran() -> None:
    """In UTC, whatever the zone of the controller is."""
    assert [" 1769832306"] == samples("checked_timestamp_seconds")


def test_verdicts() -> None:
    """One series for each, so that one that is over ends."""
    found = samples("verdict", RECORD)
    assert [
        ORDERS.replace("}", f',verdict="{verdict}"}} {value}')
        for verdict, value in (("critical", 0), ("unknown", 0), ("warning", 0), ("ok", 1))
    ] == found


def test_whether_there_is_a_proven_snapshot() -> None:
    """That is not asked of a job without a backup."""
    unproven = record("b", "ok", backup=backup(last_proven_snapshot=None))
    assert [f"{ORDERS} 1", '{backup="b",cluster="",machine="backup1"} 0'] == samples(
        "has_proven_snapshot", RECORD, unproven, record("c", "ok")
    )


def test_an_alert_that_is_open_twice() -> None:
    """It is one series."""
    alerts = [{"kind": "k", "cause": None}, {"kind": "k", "cause": "c"}, {"kind": "k", "cause": None}]
    expected = [ORDERS.replace("}", f',kind="k",cause="{cause}"}} 1') for cause in ("", "c")]
    assert expected == samples("alert", record("orders", "ok", backup=backup(alerts=alerts)), record("c", "ok"))


def test_two_jobs_with_the_same_labels() -> None:
    """The first of them counts, in every metric."""
    better = record("orders", "ok", backup=backup(backup_lag_seconds=9.0))
    assert [f"{ORDERS} 2.0"] == samples("lag_seconds", RECORD, better)
    elsewhere = samples("lag_seconds", RECORD, {**better, "machine": "backup2"}, {**better, "cluster": "shop"})
    assert 3 == len(set(elsewhere))


def test_labels_are_quoted() -> None:
    """Also what would end them."""
    (found,) = samples("lag_seconds", record('a"b\\c\nd', "ok", backup=backup()))
    assert '{backup="a\\"b\\\\c\\nd",cluster="",machine="backup1"} 2.0' == found
