"""The resources of the API by meaning; importing this package fills the table of handlers."""

from __future__ import annotations

from tests.ops_manager.resources import (
    agents,
    alerts,
    automation,
    backups,
    deliveries,
    events,
    measurements,
    restores,
    schedules,
    snapshots,
    topology,
    windows,
)

__all__ = [
    "agents",
    "alerts",
    "automation",
    "backups",
    "deliveries",
    "events",
    "measurements",
    "restores",
    "schedules",
    "snapshots",
    "topology",
    "windows",
]
