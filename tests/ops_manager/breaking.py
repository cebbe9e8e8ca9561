"""How faults affect a request and the server."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from werkzeug import Response

from tests.ops_manager.faults import PROXY_PAGE, Fault, Faults, When
from tests.ops_manager.problems import STATUS_OF, Problem
from tests.ops_manager.server import Server


class Breaker:
    """Makes faults happen; the methods for tests and people are here as well."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.server: Server | None = None

    def happen(self, fault: Fault, environ: dict[str, Any]) -> Response | None:
        """Return the answer of a fault, None where the request goes on; or lose the connection."""
        if fault.kind == "answer":
            return _refuse(fault)
        if fault.kind == "page":
            return Response(PROXY_PAGE, status=fault.status, mimetype="text/html", headers=fault.headers)
        if fault.kind == "hang":
            released = self.faults.released.wait(fault.seconds or None)
            if released:
                lose_connection(environ)
            return None
        if fault.kind == "die" and self.server is not None:
            self.server.stop()
            if fault.revive:
                self.server.start()
        lose_connection(environ)
        return None


def _refuse(fault: Fault) -> Response:
    problem = Problem(fault.error_code, fault.detail, status=fault.status)
    return Response(json.dumps(problem.body()), status=fault.status, mimetype="application/json", headers=fault.headers)


def lose_connection(environ: dict[str, Any]) -> None:
    """Reset the connection of a request; the raised error ends its thread quietly."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("the connection was cut on purpose")


class Breaking:
    """The part of the emulator's controls that makes things go wrong."""

    _breaker: Breaker

    def fault(
        self,
        method: str | None = None,
        path: str = "",
        *,
        error_code: str | None = None,
        status: int | None = None,
        times: int | None = 1,
        when: When = "before",
        detail: str = "A fault was asked for.",
        headers: dict[str, str] | None = None,
    ) -> Fault:
        """Answer the next requests whose path matches with an error; for ever where `times` is None."""
        found = status or STATUS_OF.get(error_code or "", 500)
        fault = Fault("answer", method, path, when, times, found, error_code, detail, headers or {})
        return self._breaker.faults.add(fault)

    def proxy_page(
        self, method: str | None = None, path: str = "", *, status: int = 502, times: int | None = 1
    ) -> Fault:
        """Answer with the HTML page of a proxy that reaches no server."""
        return self._breaker.faults.add(Fault("page", method, path, "before", times, status))

    def hang(
        self,
        method: str | None = None,
        path: str = "",
        *,
        seconds: float = 0.0,
        when: When = "before",
        times: int | None = 1,
        skip: int = 0,
    ) -> Fault:
        """Let requests wait before they go on; for ever (until `clear_faults`) where no seconds are given."""
        return self._breaker.faults.add(Fault("hang", method, path, when, times, seconds=seconds, skip=skip))

    def cut(self, method: str | None = None, path: str = "", *, when: When = "before", times: int | None = 1) -> Fault:
        """Lose the connection of requests without an answer, before or after they have had their effect."""
        return self._breaker.faults.add(Fault("cut", method, path, when, times))

    def die_at(
        self, method: str | None = None, path: str = "", *, when: When = "before", revive: bool = False, skip: int = 0
    ) -> Fault:
        """Die at a request, before or after it has had its effect; `skip` requests that match go well before."""
        return self._breaker.faults.add(Fault("die", method, path, when, revive=revive, skip=skip))

    def clear_faults(self) -> None:
        """Forget the faults that have not happened, and let go of the requests that hang."""
        self._breaker.faults.clear()
