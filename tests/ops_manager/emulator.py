"""The emulator: a server that runs while the context is open, and its controls."""

from __future__ import annotations

import secrets
import ssl
from types import TracebackType
from typing import Any, Self

from tests.ops_manager import syncing
from tests.ops_manager.access import ROLES
from tests.ops_manager.acting import CODE, Acting
from tests.ops_manager.application import Application, Asked
from tests.ops_manager.breaking import Breaker, Breaking
from tests.ops_manager.digest import Guard, Key
from tests.ops_manager.server import Server
from tests.ops_manager.settings import Switches, Timing
from tests.ops_manager.world import World


class Emulator(Acting, Breaking):
    """Ops Manager with one project and one pair of keys that may do everything in it."""

    code = CODE
    """The code that the second factor accepts."""

    def __init__(
        self,
        timing: Timing | None = None,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        project: str = "orders",
        **switches: Any,
    ) -> None:
        self.timing = timing or Timing()
        self.switches = Switches(**switches)
        self.world = World(self.timing, self.switches)
        self.guard = Guard(self.timing, self.switches)
        self._breaker = Breaker()
        self._application = Application(self.world, self.guard, self._breaker)
        self.server = Server(self._application, self.world.clock.now, port, tls)
        self._breaker.server = self.server
        self.world.base_url = self.server.url
        self.project_id = self.add_project(project)
        self.public_key, self.private_key = self.add_key("owner")

    @property
    def url(self) -> str:
        """Where the product is, without the path of the API."""
        return self.server.url

    @property
    def requests(self) -> list[Asked]:
        """The requests so far, without those whose answer only asked for a digest."""
        return [asked for asked in self._application.log if not asked.challenged]

    @property
    def all_requests(self) -> list[Asked]:
        return list(self._application.log)

    def add_key(self, role: str, projects: list[str] | None = None) -> tuple[str, str]:
        """Add a pair of keys with a role (see access.ROLES), in all projects or in some; return the pair."""
        pair = (secrets.token_hex(4), secrets.token_hex(16))
        seen = None if projects is None else frozenset(projects)
        self.guard.keys[pair[0]] = Key(*pair, ROLES[role], seen)
        return pair

    def skip(self, seconds: float) -> None:
        """Move the server's clock ahead, and do everything that is due by then."""
        self.switches.clock_skew += seconds

    def forget_nonces(self) -> None:
        """Make every nonce expire at once."""
        self.guard.forget_nonces()

    def die(self) -> None:
        """Refuse connections from now on."""
        self.server.stop()

    def revive(self) -> None:
        """Listen again, on the same port and with all that was known."""
        if self.switches.revive_restarts_sync:
            with self.world.lock:
                now = self.world.look()
                for project in self.world.projects.values():
                    syncing.start_over(self.world, project, now)
        self.server.start()

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear_faults()
        self.server.close()
