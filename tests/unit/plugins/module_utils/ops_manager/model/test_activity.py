# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of what goes on."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model import activity


def test_agent() -> None:
    """A backup agent has no ping, only its last call for the configuration."""
    found = activity.Agent.of({"typeName": "BACKUP", "stateName": "ACTIVE", "lastConf": "2015-06-18T14:21:42Z"})
    assert ("ACTIVE", None) == (found.state, found.last_ping)
    assert found.last_conf is not None


def test_alert() -> None:
    """The value of a metric is in an object of its own, and is missing in others."""
    metric = {"id": "1", "eventTypeName": "OUTSIDE_METRIC_THRESHOLD", "currentValue": {"number": 0, "units": "RAW"}}
    assert (0, "RAW") == (activity.Alert.of(metric).value, activity.Alert.of(metric).units)
    assert activity.Alert.of({"id": "1", "currentValue": None}).value is None


def test_event() -> None:
    """The port is spelled with a capital letter by some versions."""
    found = activity.Event.of({"id": "1", "eventTypeName": "JOINED_TEAM", "Port": 27017, "publicKey": "a"})
    assert ("JOINED_TEAM", 27017, "a") == (found.type, found.port, found.by)


def test_window() -> None:
    """The types of alerts are a list even where there is one."""
    assert ("BACKUP",) == activity.MaintenanceWindow.of({"id": "1", "alertTypeNames": "BACKUP"}).alert_types


def test_snapshot() -> None:
    """Missing shards are named as well as they can be."""
    answer = {
        "id": "1",
        "created": {"date": "2017-12-26T16:32:16Z", "increment": 1},
        "lastOplogAppliedTimestamp": {"date": "2017-12-26T16:32:15Z", "increment": 4},
        "missingShards": [{"shardName": "a"}, {"id": "5"}, {}],
        "parts": [{"replicaSetName": "rs", "dataSizeBytes": 4502}],
    }
    found = activity.Snapshot.of(answer)
    assert (("a", "5", "unnamed"), 4, None) == (found.missing_shards, found.oplog_increment, found.expires)
    shown = found.as_dict()
    assert "2017-12-26T16:32:16Z" == shown["created"]
    assert 4502 == shown["parts"][0]["data_bytes"]


def test_measurement() -> None:
    """The newest value is not the last point, which is often a gap."""
    points = [{"timestamp": "2026-01-01T00:00:00Z", "value": 1}, {"timestamp": "2026-01-01T00:01:00Z", "value": None}]
    assert 1.0 == activity.Measurement.of({"name": "X", "units": "SECONDS", "dataPoints": points}).latest
    assert activity.Measurement.of({"name": "X", "dataPoints": []}).latest is None
