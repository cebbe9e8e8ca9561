"""Which requests a resync sends that change something, and an API that dies at one of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.errors import ApiError
from tests.integration.ops_manager.desk import Desk
from tests.ops_manager import Emulator, Timing
from tests.ops_manager.faults import When

Write = tuple[str, str]

WINDOW, NOTE, HOLD, RELEASE, END = (
    ("POST", "window"),
    ("PATCH", "window"),
    ("PATCH", "hold"),
    ("PATCH", "release"),
    ("DELETE", "window"),
)
STOP, TERMINATE, START = ("PATCH", "STOPPED"), ("PATCH", "TERMINATING"), ("PATCH", "STARTED")

WRITES: Mapping[str, Sequence[Write]] = {
    "hand_off": (WINDOW, HOLD, NOTE, RELEASE, END),
    "restart": (WINDOW, HOLD, NOTE, STOP, NOTE, START, RELEASE, END),
    "terminate": (WINDOW, NOTE, STOP, NOTE, TERMINATE, NOTE, START, END),
}
"""What each method sends, in this order, where nothing goes wrong."""

PATHS = {"window": "/maintenanceWindows", "hold": "/snapshots", "release": "/snapshots"}
QUICK = Timing(patch=0.03, terminate=0.05, sync=0.05, sync_pending=0.01, sync_start=0.01, snapshot=0.05)
"""Also for a machine that is busy: nothing waits for more than one of these."""

MATRIX = [
    pytest.param(method, number, when, id=f"{method}-{number}-{'-'.join(WRITES[method][number])}-{when}")
    for method in WRITES
    for number in range(len(WRITES[method]))
    for when in ("before", "after")
]


def place(method: str, number: int) -> tuple[str, str, int]:
    """Return the method and the path of a write, and how many like it come before."""
    verb, meant = WRITES[method][number]
    path = PATHS.get(meant, "/backupConfigs")
    before = [(one, PATHS.get(what, "/backupConfigs")) for one, what in WRITES[method][:number]]
    return verb, path, before.count((verb, path))


def die_at(om: Emulator, method: str, number: int, when: When) -> None:
    """Let the API die at a write of a resync."""
    verb, path, before = place(method, number)
    om.die_at(verb, path, when=when, skip=before)


@contextlib.contextmanager
def a_desk(method: str, **switches: Any) -> Iterator[Desk]:
    """Yield an operator at a backup that has fallen out of sync."""
    with Emulator(QUICK, **switches) as om:
        cluster = om.add_replica_set("orders")
        om.add_snapshot(cluster)
        om.raise_alert("RESYNC_REQUIRED", cluster)
        yield Desk(om, cluster, method)


def dead(desk: Desk) -> ApiError:
    """Resync until the API dies; return what is said then."""
    with pytest.raises(ApiError) as raised:
        desk.resync()
    return raised.value
