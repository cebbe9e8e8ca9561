# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The charts of a report: where the parts of each are, in the units of its drawing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTH = 600
"""The right end of both charts."""

# The curve of the rate of writing is drawn between these heights, from above.
_GROUND, _HEIGHT = 76, 70
# Closer than this, two words would cover each other.
_APART = 60
# A lag is drawn at least as wide as this, or nobody would see it.
_LEAST = 1.5

Record = Mapping[str, Any]


def window_chart(oplog: Record, lag_seconds: float | None) -> dict[str, Any]:
    """Return the chart of an oplog window that is known: its end, the lag of the backup, and marks for what is compared with it.

    Both measures start on the left, now. `lag` is none where it is not known.
    """
    window, p95, peak = (oplog[key] for key in ("window_hours", "forecast_p95_hours", "forecast_peak_hours"))
    wanted = oplog["min_hours"]
    longest = max(hours for hours in (window, p95, peak) if hours is not None)
    scale = min(max(wanted * 1.25, longest), max(wanted * 4, 1))
    unit = WIDTH / max(scale, 0.01)
    marks = [_mark(wanted * unit, "wanted", 9, "")]
    if p95 is not None:
        marks.append(_mark(p95 * unit, "p95", 58, "4 3"))
    if peak is not None:
        apart = p95 is None or (p95 - peak) * unit > _APART or p95 * unit > WIDTH
        marks.append(_mark(peak * unit, "peak" if apart else "", 58, "1 3"))
    return {
        "label": f"oplog window {window:.1f} hours, at least {wanted:.1f} wanted",
        "end": _place(min(window * unit, WIDTH)),
        "lag": None if lag_seconds is None else _place(max(min(lag_seconds / 3600 * unit, WIDTH), _LEAST)),
        "marks": [mark for mark in marks if mark["at"] <= WIDTH],
    }


def _mark(at: float, text: str, height: int, dash: str) -> dict[str, Any]:
    anchor = "end" if at > WIDTH * 0.9 else "start" if at < WIDTH * 0.1 else "middle"
    return {"at": at, "x": _place(at), "text": text, "y": height, "anchor": anchor, "dash": dash}


def rate_chart(rate: Record) -> dict[str, str]:
    """Return the chart of the rate of writing: a path of steps, the oldest on the left, and the height of the p95."""
    rates = [bucket["bytes_per_second"] for bucket in rate["buckets"]]
    top = max(rate["peak_bytes_per_second"], max(rates, default=1), 0.001)
    step = WIDTH / max(len(rates), 1)
    steps = (f"V{_height(value, top)}H{_place(number * step)}" for number, value in enumerate(rates, 1))
    return {"path": f"M0 {_GROUND}{''.join(steps)}V{_GROUND}Z", "p95": _height(rate["p95_bytes_per_second"], top)}


def _height(value: float, top: float) -> str:
    return _place(_GROUND - _HEIGHT * value / top)


def _place(value: float) -> str:
    return f"{value:.1f}"
