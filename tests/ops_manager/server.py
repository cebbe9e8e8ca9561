"""The listening side: a server in a thread that can die and come back on the same port."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

LOOPBACK = "127.0.0.1"
logging.getLogger("werkzeug").setLevel(logging.CRITICAL)


class Server:
    """Serves an application on a port of the loopback interface that stays ours while it is dead."""

    def __init__(
        self,
        application: Any,
        now: Callable[[], datetime],
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._application = application
        self._tls = tls
        self._handler = _handler(now)
        self._lock = threading.Lock()
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        # Bound but not listening: connections are refused, and nobody else gets the port.
        self._reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((LOOPBACK, port))
        self.port: int = self._reserved.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'http' if self._tls is None else 'https'}://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Listen, unless it does."""
        with self._lock:
            if self._server is not None:
                return
            self._server = make_server(
                LOOPBACK,
                self.port,
                self._application,
                threaded=True,
                request_handler=self._handler,
                ssl_context=self._tls,
            )
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on; also callable from within a request."""
        with self._lock:
            if self._server is None or self._thread is None:
                return
            self._server.shutdown()
            self._thread.join()
            self._server = self._thread = None

    def close(self) -> None:
        """Stop for good, and give the port back."""
        self.stop()
        self._reserved.close()


def _handler(now: Callable[[], datetime]) -> type[WSGIRequestHandler]:
    class Handler(WSGIRequestHandler):
        """Dates its answers by the emulated clock."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return format_datetime(now(), usegmt=True) if timestamp is None else super().date_time_string(timestamp)

    return Handler
