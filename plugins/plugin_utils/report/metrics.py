# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metrics of a check for Prometheus, made of check records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timezone
from typing import Any

from ...module_utils.verdict import CRITICAL, OK, UNKNOWN, WARNING
from ..text import moment

Record = Mapping[str, Any]
_VERDICTS = (CRITICAL, UNKNOWN, WARNING, OK)
_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True)
class Measure:
    """A number in a check record, and by what it is multiplied to be in seconds or bytes."""

    name: str
    path: str
    factor: int
    help: str

    def value(self, record: Record) -> float | None:
        """Return the value in a record; None where it is not known.

        Raises TypeError for what is no number: as text it would be lines of its own among the metrics.
        """
        found: Any = record
        for key in self.path.split("."):
            found = (found or {}).get(key)
        if found is None:
            return None
        if not isinstance(found, (int, float)):
            raise TypeError(f"expected a number as {self.path}, found {type(found).__name__}")
        return found * self.factor


MEASURES = (
    Measure("oplog_window_seconds", "oplog.window_hours", _HOUR, "The shortest oplog window of all members."),
    Measure("oplog_window_wanted_seconds", "oplog.min_hours", _HOUR, "The oplog window that is wanted."),
    Measure("oplog_forecast_p95_seconds", "oplog.forecast_p95_hours", _HOUR, "The window at the rate of busy times."),
    Measure("oplog_forecast_peak_seconds", "oplog.forecast_peak_hours", _HOUR, "The window at the peak rate."),
    Measure(
        "oplog_recommended_bytes", "oplog.recommended_oplog_bytes", 1, "The oplog size that holds the wanted window."
    ),
    Measure(
        "oplog_written_bytes_per_second",
        "oplog.write_rate.mean_bytes_per_second",
        1,
        "The mean rate of writing to the oplog.",
    ),
    Measure("lag_seconds", "backup.backup_lag_seconds", 1, "How far the backup is behind what a majority has."),
    Measure(
        "lag_primary_seconds",
        "backup.backup_lag_primary_seconds",
        1,
        "How far the backup is behind the last write of the primary.",
    ),
    Measure("apply_lag_seconds", "backup.apply_lag_seconds", 1, "How far the copy is behind what was captured."),
    Measure(
        "headroom_seconds", "backup.headroom_seconds", 1, "From the oldest entry of the source to the captured optime."
    ),
    Measure("slack_seconds", "backup.slack_minutes", 60, "How long until the cursor falls off in busy times."),
    Measure("snapshot_age_seconds", "backup.last_snapshot.age_hours", _HOUR, "The age of the newest good snapshot."),
    Measure(
        "proven_snapshot_age_seconds",
        "backup.last_proven_snapshot.age_hours",
        _HOUR,
        "The age of the newest snapshot that was proven by restoring it.",
    ),
    Measure("resync_age_seconds", "backup.last_resync.age_days", _DAY, "The age of the last full sync."),
    Measure("validation_age_seconds", "backup.last_validation.age_days", _DAY, "The age of the last validation."),
)


def check_metrics(records: Iterable[Record], checked_at: str) -> list[dict[str, Any]]:
    """Return every metric with its help and its samples, which are labels and a value as they follow its name.

    A value that is not known is left out: a zero would look like one. Raises ValueError where checked_at is no moment.
    """
    once = _once(records)
    epoch = int(moment(checked_at).replace(tzinfo=timezone.utc).timestamp())
    with_backup = {labels: record["backup"] for labels, record in once.items() if record["backup"]}
    proven = (_sample(labels, int(bool(its["last_proven_snapshot"]))) for labels, its in with_backup.items())
    return [
        _metric("checked_timestamp_seconds", "When the check ran.", [f" {epoch}"]),
        _metric("verdict", "1 for the verdict that the backup has, 0 for the others.", _verdicts(once)),
        _metric("has_proven_snapshot", "Whether there is a snapshot that was proven by restoring it.", proven),
        _metric("alert", "1 for every alert that is open.", _alerts(with_backup)),
        *(_metric(measure.name, measure.help, _values(measure, once)) for measure in MEASURES),
    ]


def _once(records: Iterable[Record]) -> dict[str, Record]:
    """Return the records by their labels. With one series twice the collector would take none; the first of two is the worse."""
    found: dict[str, Record] = {}
    for record in records:
        names = {"backup": record["job"], "cluster": record["cluster"] or "", "machine": record["machine"]}
        found.setdefault(_labels(names), record)
    return found


def _metric(name: str, help_text: str, samples: Iterable[str]) -> dict[str, Any]:
    return {"name": f"mongodb_backup_{name}", "help": help_text, "samples": list(samples)}


def _values(measure: Measure, records: Mapping[str, Record]) -> Iterator[str]:
    found = ((labels, measure.value(record)) for labels, record in records.items())
    return (_sample(labels, value) for labels, value in found if value is not None)


def _verdicts(records: Mapping[str, Record]) -> Iterator[str]:
    for labels, record in records.items():
        for verdict in _VERDICTS:
            yield _sample(f"{labels},{_labels({'verdict': verdict})}", int(verdict == record["verdict"]))


def _alerts(backups: Mapping[str, Record]) -> Iterator[str]:
    for labels, backup in backups.items():
        named = [_labels({"kind": alert["kind"], "cause": alert.get("cause") or ""}) for alert in backup["alerts"]]
        for which in dict.fromkeys(named):
            yield _sample(f"{labels},{which}", 1)


def _sample(labels: str, value: float) -> str:
    return f"{{{labels}}} {value}"


def _labels(values: Mapping[str, object]) -> str:
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in values.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
