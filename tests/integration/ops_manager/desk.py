"""The provider on its own, in this process: as many short calls as the modules would make, each as new as a module is."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.arguments import OPTION
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.ops_manager import OpsManager
from tests.integration.ops_manager.persons import press_button, until
from tests.ops_manager import Emulator

Json = dict[str, Any]
OWNER, REASON = "alice", "alert of Monday night"
WRITES = ("POST", "PATCH", "DELETE")


class Desk:
    """One operator at the backup of one cluster."""

    def __init__(self, om: Emulator, cluster: str, method: str, owner: str = OWNER, **options: Any) -> None:
        self.om, self.cluster, self.owner = om, cluster, owner
        self.before = self.expiry()
        spec: Json = OPTION["options"]
        self.options: Json = {
            **{name: kind.get("default") for name, kind in spec.items()},
            "url": om.url,
            "public_key": om.public_key,
            "private_key": om.private_key,
            "project": om.project_id,
            "cluster": cluster,
            "method": method,
            "confirm_snapshot_loss": True,
            "feature_compatibility_version": "4.0",
            "poll_seconds": 0.05,
            "patience_seconds": 0.2,
            **options,
        }

    @property
    def provider(self) -> OpsManager:
        """A provider that remembers nothing."""
        return OpsManager({"ops_manager": self.options}, None, False)  # type: ignore[arg-type]

    def start(self) -> Json | None:
        """Start a resync where one is needed, or attach to one's own; None where none is needed."""
        found: Json | None = self.provider.start_resync(self.owner, REASON, "required", None)["operation"]
        return found

    def carry_on(self, operation: Json, seconds: float = 60, press: bool = True) -> Json:
        """Follow an operation to its end, and send each request that it waits for."""
        deadline = time.monotonic() + seconds
        while operation["state"] == "running":
            assert time.monotonic() < deadline, operation
            if operation["next_write"]:
                operation = self.provider.continue_operation(operation["id"])["operation"]
                continue
            self._press(operation, press)
            time.sleep(0.02)
            operation = self.provider.operation(operation["id"])["operation"]
        return operation

    def resync(self) -> Json | None:
        """Do all of it."""
        started = self.start()
        return None if started is None else self.carry_on(started)

    def cancel(self, operation: str, seconds: float = 60) -> None:
        """Cancel an operation, again and again as long as the answer is to wait; then let pass what was accepted."""
        until(lambda: self._canceled(operation), f"{operation} is canceled", seconds)
        job = self.om.job(self.cluster)
        until(
            lambda: self.om.snapshots(self.cluster) is not None and job.status == job.accepted, "the state is reached"
        )

    def _canceled(self, operation: str) -> bool:
        try:
            self.provider.cancel_resync(operation)
        except (AskOperator, RetryLater) as refused:
            if refused.code not in ("terminating", "settling"):
                raise
            return False
        return True

    def _press(self, operation: Json, press: bool) -> None:
        waits = (operation["progress"] or {}).get("phase") == "waiting for the button"
        if press and waits:
            for part in self.om.parts(self.cluster):
                press_button(self.om, part)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """The requests so far that change something, each by its method and what it changes into what."""
        return [(asked.method, _meant(asked.path, asked.body)) for asked in self.om.requests if asked.method in WRITES]

    def nothing_left(self) -> Json:
        """Return what differs from a backup that nobody works on; empty where nothing does."""
        with self.om.world.lock:
            self.om.world.look()
            windows = [window.description for window in self.om.world.projects[self.om.project_id].windows.values()]
        job, snapshots = self.om.job(self.cluster), self.om.snapshots(self.cluster)
        found = {
            "windows": windows,
            "held": [snapshot.id for snapshot in snapshots if snapshot.held],
            "status": "" if (job.status, job.accepted) == ("STARTED", "STARTED") else f"{job.status}, {job.accepted}",
        }
        return {name: value for name, value in found.items() if value}

    def expiry(self) -> datetime | None:
        """Return when the oldest snapshot expires, to the second, as the API says it."""
        ends = [snapshot.expires for snapshot in self.om.snapshots(self.cluster)]
        return ends[0].replace(microsecond=0) if ends and ends[0] is not None else None


def _meant(path: str, body: Any) -> str:
    if "backupConfigs" in path:
        return str(body["statusName"])
    if "snapshots" in path:
        return "hold" if body.get("doNotDelete") else "release"
    return "window"
