# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulated product, and the options by which the provider speaks to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Self

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.arguments import OPTION
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client, Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.job import Job
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import Journal
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync import requests
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.resync.requests import Wishes
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.ops_manager import OpsManager
from tests.ops_manager.emulator import Emulator

_PATIENCE = 30.0


def until(condition: Callable[[], Any], what: str = "it") -> Any:
    """Return what the condition returns once that is true."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about in {_PATIENCE:.0f} s")


class Product(Emulator):
    """The emulator with one replica set, orders, and a snapshot of it."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.orders = self.add_replica_set("orders")
        self.snapshot = self.add_snapshot(self.orders)
        return self

    def options(self, **changes: Any) -> dict[str, Any]:
        """Return the option ops_manager as a module gets it."""
        defaults = {name: option.get("default") for name, option in OPTION["options"].items()}
        place = {"url": self.url, "public_key": self.public_key, "private_key": self.private_key}
        own = {"project": self.project_id, "cluster": "orders", "poll_seconds": 0.2}
        return {**defaults, **place, **own, "feature_compatibility_version": "4.0", **changes}

    def provider(self, check_mode: bool = False, **changes: Any) -> OpsManager:
        """Return a provider as a new call of a module has it."""
        return OpsManager({"ops_manager": self.options(**changes)}, lambda _command: (0, "", ""), check_mode)

    def seen(self, **changes: Any) -> Job:
        """Return the job as it is now."""
        options = self.options(**changes)
        return Job.named(Client(Connection.from_options(options)), options["project"], options["cluster"])

    def wishes(self, **changes: Any) -> Wishes:
        """Return how a resync is to be done."""
        return Wishes.from_options(self.options(**changes))

    def next_second(self) -> None:
        """Let the product's clock go on by more than the second in which it prints times."""
        begin = self.world.clock.now()
        until(lambda: self.world.clock.now() >= begin + timedelta(seconds=1.1), "the next second")

    def scheduled_snapshot(self) -> None:
        """Let a snapshot be made as by schedule, a second after whatever was before it."""
        self.next_second()
        self.begin_snapshot(self.orders)
        until(lambda: all(one.complete for one in self.snapshots(self.orders)), "the snapshot")

    def alert(self) -> str:
        """Raise the alert that asks for a resync."""
        return self.raise_alert("RESYNC_REQUIRED", self.orders)

    def windows(self) -> list[Any]:
        """Return the maintenance windows of the project."""
        return list(self.world.projects[self.project_id].windows.values())

    def held(self) -> list[str]:
        """Return the snapshots that are kept."""
        return [one.id for one in self.snapshots(self.orders) if one.held]

    def writes(self) -> list[tuple[str, str]]:
        """Return the requests that were to change something, by method and the last word of their path but for ids."""
        return [(one.method, one.path) for one in self.requests if one.method != "GET"]

    def start(self, **changes: Any) -> dict[str, Any]:
        """Begin a resync, and return the operation."""
        started = self.provider(**changes).start_resync("alice", "alert", "always", None)
        return dict(started["operation"])

    def carry_on(self, operation: str, **changes: Any) -> dict[str, Any]:
        """Send what the operation waits for, if anything."""
        return dict(self.provider(**changes).continue_operation(operation)["operation"])

    def carry_to_end(self, operation: str, **changes: Any) -> dict[str, Any]:
        """Go on with an operation until it has ended."""

        def ended() -> dict[str, Any] | None:
            found = self.carry_on(operation, **changes)
            return found if found["state"] != "running" else None

        return dict(until(ended, f"the end of {operation}"))


def begun(job: Job, wishes: Wishes) -> Journal:
    """Begin a resync, and return its record."""
    return requests.begin(job, requests.planned(job, wishes, "alice", "alert"), wishes)
