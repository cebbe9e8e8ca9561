"""The number of requests that a project may make in a minute."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from email.utils import format_datetime

from tests.ops_manager.problems import Problem
from tests.ops_manager.world import World


class Limits:
    """Counts requests by project; the count starts from zero in every window of time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = time.monotonic()
        self._counts: dict[str, int] = {}

    def count(self, project_id: str) -> None:
        """Count a request, or refuse it."""
        limit = self._world.switches.rate_limit
        if limit is None:
            return
        window = self._world.timing.rate_window
        elapsed = time.monotonic() - self._began
        if elapsed >= window:
            self._began += elapsed - elapsed % window
            self._counts.clear()
            elapsed %= window
        if self._counts.get(project_id, 0) >= limit:
            detail = f"Resource is limited to {limit} requests every 1 minutes."
            raise Problem("RATE_LIMITED", detail, headers=self._retry_after(window - elapsed))
        self._counts[project_id] = self._counts.get(project_id, 0) + 1

    def _retry_after(self, seconds: float) -> dict[str, str]:
        form = self._world.switches.retry_after
        if form == "none":
            return {}
        if form == "seconds":
            return {"Retry-After": str(math.ceil(seconds))}
        moment = self._world.clock.now() + timedelta(seconds=math.ceil(seconds))
        return {"Retry-After": format_datetime(moment, usegmt=True)}
