# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the parts of the charts are."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.charts import rate_chart, window_chart


def window(lag: float | None = None, **oplog: Any) -> dict[str, Any]:
    """Return the chart of a window of 24 hours, of which 24 are wanted: it is 30 hours wide, 20 units for each."""
    known = {"window_hours": 24.0, "min_hours": 24.0, "forecast_p95_hours": None, "forecast_peak_hours": None}
    return window_chart({**known, **oplog}, lag)


def marks(chart: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is marked, where, and on which side its word begins."""
    return [(mark["text"], mark["x"], mark["anchor"]) for mark in chart["marks"]]


@pytest.mark.parametrize(
    ("end", "wanted", "oplog"),
    [
        ("480.0", "480.0", {}),
        ("240.0", "480.0", {"window_hours": 12.0}),
        ("600.0", "300.0", {"window_hours": 48.0}),
        ("600.0", "150.0", {"window_hours": 480.0}),
        ("300.0", "300.0", {"forecast_p95_hours": 48.0}),
        ("600.0", "0.0", {"min_hours": 0.0}),
        ("0.0", "0.0", {"min_hours": 0.0, "window_hours": 0.0}),
    ],
)
def test_the_longest_fits_and_the_wanted_is_seen(end: str, wanted: str, oplog: dict[str, Any]) -> None:
    """The chart ends with the longest of all, but at four times what is wanted."""
    chart = window(**oplog)
    assert (end, ("wanted", wanted)) == (chart["end"], marks(chart)[0][:2])


@pytest.mark.parametrize(
    ("lag", "seconds"), [(None, None), ("1.5", 0.0), ("20.0", 3600.0), ("480.0", 86400.0), ("600.0", 9e9)]
)
def test_the_lag(lag: str | None, seconds: float | None) -> None:
    """It can be seen however small it is, and ends with the chart."""
    assert lag == window(seconds)["lag"]


@pytest.mark.parametrize(
    ("expected", "p95", "peak"),
    [
        ([], None, None),
        ([("p95", "200.0", "middle"), ("peak", "100.0", "middle")], 10.0, 5.0),
        ([("p95", "200.0", "middle"), ("", "140.0", "middle")], 10.0, 7.0),
        ([("peak", "40.0", "start")], None, 2.0),
        ([("p95", "560.0", "end"), ("peak", "300.0", "middle")], 28.0, 15.0),
    ],
)
def test_the_forecasts(expected: list[Any], p95: float | None, peak: float | None) -> None:
    """Words near an end begin or end there, and two that would cover each other are one."""
    chart = window(forecast_p95_hours=p95, forecast_peak_hours=peak)
    assert [("wanted", "480.0", "middle"), *expected] == marks(chart)


def test_what_is_beyond_the_end_is_not_marked() -> None:
    """And its word is in nobody's way."""
    chart = window(window_hours=1.0, min_hours=1.0, forecast_p95_hours=5.0, forecast_peak_hours=3.9)
    assert [("wanted", "150.0", "middle"), ("peak", "585.0", "end")] == marks(chart)
    assert "oplog window 1.0 hours, at least 1.0 wanted" == chart["label"]


@pytest.mark.parametrize(
    ("path", "p95", "rates", "peak"),
    [
        ("M0 76V41.0H300.0V6.0H600.0V76Z", "41.0", [5, 10], 10),
        ("M0 76V41.0H600.0V76Z", "41.0", [5], 10),
        ("M0 76V6.0H600.0V76Z", "41.0", [10], 5),
        ("M0 76V76Z", "71.0", [], 70),
    ],
)
def test_the_rate_of_writing(path: str, p95: str, rates: list[float], peak: float) -> None:
    """The steps have one width, and the highest ends at the top."""
    buckets = [{"bytes_per_second": rate} for rate in rates]
    found = rate_chart({"buckets": buckets, "peak_bytes_per_second": peak, "p95_bytes_per_second": 5})
    assert {"path": path, "p95": p95} == found


def test_nothing_is_written() -> None:
    """Then the steps lie on the ground."""
    buckets = [{"bytes_per_second": 0}]
    found = rate_chart({"buckets": buckets, "peak_bytes_per_second": 0, "p95_bytes_per_second": 0})
    assert {"path": "M0 76V76.0H600.0V76Z", "p95": "76.0"} == found
