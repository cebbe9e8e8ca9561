# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small HTTP server with digest authentication that answers what a test has put there; real sockets, no state of its own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Union
from urllib.parse import parse_qs, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

PREFIX = "/api/public/v1.0"
REALM = "MMS Public API"
KEYS = ("publickey", "private-key-1234")


@dataclass(frozen=True)
class Said:
    """One answer: JSON, or a text as it is; None hangs up."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False


@dataclass(frozen=True)
class Asked:
    """One request that was let in."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: dict[str, str]


Answers = Union[Said, list[Said], Callable[[Asked], Said]]


class SmallApi:
    """Answers by method and path; a list is said in order, its last for ever."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answers] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        #: How often a nonce may be used before it is stale.
        self.nonce_uses = 1_000_000
        self.challenge: str | None = None
        self._nonces: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def options(self, **more: Any) -> dict[str, Any]:
        """Return the option ops_manager as a module has it, for this server."""
        options = {"public_key": KEYS[0], "private_key": KEYS[1], "validate_certs": True, "timeout_seconds": 5.0}
        return {"url": self.url, **options, "project": None, "cluster": None, **more}

    def page(self, path: str, *results: Any, **more: Any) -> None:
        """Answer a list."""
        said = Said({"results": list(results), "totalCount": len(results), "links": [], **more})
        self.answers["GET", path] = said

    def refusal(self, method: str, path: str, headers: str) -> Said | None:
        """Return the challenge; None for a request that proves to know the password."""
        scheme, _blank, rest = headers.partition(" ")
        values = parse_keqv_list(parse_http_list(rest)) if scheme == "Digest" else {}
        nonce = values.get("nonce", "")
        known = nonce in self._nonces
        right = known and values["response"] == _response(values, method) and values["uri"] == path
        if right and int(values["nc"], 16) == self._nonces[nonce] + 1 <= self.nonce_uses:
            self._nonces[nonce] += 1
            return None
        fresh = secrets.token_hex(8)
        self._nonces[fresh] = 0
        stale = "true" if right else "false"
        challenge = (
            self.challenge or f'Digest realm="{REALM}", nonce="{fresh}", qop="auth", algorithm=MD5, stale={stale}'
        )
        body = {"error": 401, "reason": "Unauthorized", "detail": "You are not authorized for this resource."}
        return Said(body, 401, {"WWW-Authenticate": challenge})

    def answer(self, asked: Asked) -> Said:
        """Return what was put there for a request."""
        self.asked.append(asked)
        said = self.answers.get((asked.method, asked.path))
        if said is None:
            body = {"error": 404, "errorCode": "RESOURCE_NOT_FOUND", "reason": "Not Found", "detail": "Nothing there."}
            return Said(body, 404)
        if isinstance(said, list):
            return said.pop(0) if len(said) > 1 else said[0]
        return said(asked) if callable(said) else said


def _response(values: dict[str, str], method: str) -> str:
    first = _hash(f"{KEYS[0]}:{REALM}:{KEYS[1]}")
    second = _hash(f"{method}:{values['uri']}")
    return _hash(f"{first}:{values['nonce']}:{values['nc']}:{values['cnonce']}:auth:{second}")


def _hash(text: str) -> str:
    return md5(text.encode()).hexdigest()


def _handler(api: SmallApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            api.connections += 1
            parts = urlsplit(self.path)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            length = int(self.headers.get("Content-Length") or 0)
            data = self.rfile.read(length)
            said = api.refusal(self.command, path, self.headers.get("Authorization") or "")
            if said is None:
                body = json.loads(data) if data else None
                there = parts.path.removeprefix(PREFIX)
                said = api.answer(Asked(self.command, there, parse_qs(parts.query), body, dict(self.headers)))
            if said.hang_up:
                self.connection.close()
                return
            text = said.body if isinstance(said.body, str) else "" if said.body is None else json.dumps(said.body)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    for method in ("GET", "POST", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.do)
    return Handler
