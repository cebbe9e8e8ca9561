"""A server that pretends to be a member of a replica set, and notes what it is asked."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import bson

QUERY, REPLY, MESSAGE = 2004, 1, 2013


class Rogue:
    """Answers `hello` as it is told to, and every other command with `answers`, or with an error."""

    def __init__(self, hello: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]]) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.hello, self.answers = dict(hello), dict(answers)
        self.to_logins: dict[str, Any] = {}
        """What it says besides where somebody is about to log in."""
        self.claimed = 0
        """How large each answer but the first `hello` of a connection says to be; 0 is the truth."""
        self.asked: list[dict[str, Any]] = []
        """Every command, as it came."""

    @property
    def logins(self) -> list[dict[str, Any]]:
        """The attempts to log in, those that came with a `hello` among them."""
        found = [one["speculativeAuthenticate"] for one in self.asked if "speculativeAuthenticate" in one]
        return found + [one for one in self.asked if "saslStart" in one]

    def serve(self) -> None:
        """Accept connections until the socket is closed."""
        with suppress(OSError):
            while True:
                peer = self.socket.accept()[0]
                threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with suppress(OSError), peer, peer.makefile("rb") as stream:
            while len(head := stream.read(16)) == 16:
                length, number, _answers, kind = struct.unpack("<iiii", head)
                body = stream.read(length - 16)
                command = bson.decode(body[body.index(b"\0", 4) + 9 :] if kind == QUERY else body[5:])
                self.asked.append(command)
                self._send(peer, self._packed(kind, number, self._answer(command)), kind)

    def _send(self, peer: socket.socket, packed: bytes, kind: int) -> None:
        if self.claimed and kind != QUERY:
            packed = struct.pack("<i", self.claimed) + packed[4:]
        peer.sendall(packed)

    def _answer(self, command: dict[str, Any]) -> Mapping[str, Any]:
        name = next(iter(command))
        if name.lower() in ("hello", "ismaster"):
            more = self.to_logins if "speculativeAuthenticate" in command else {}
            return {"ok": 1, "minWireVersion": 0, "maxWireVersion": 25, "helloOk": True, **self.hello, **more}
        return self.answers.get(name, {"ok": 0, "code": 18, "errmsg": "no"})

    @staticmethod
    def _packed(kind: int, number: int, answer: Mapping[str, Any]) -> bytes:
        document = bson.encode(answer)
        if kind == QUERY:
            body, code = struct.pack("<iqii", 0, 0, 0, 1) + document, REPLY
        else:
            body, code = struct.pack("<iB", 0, 0) + document, MESSAGE
        return struct.pack("<iiii", 16 + len(body), 1, number, code) + body


@contextmanager
def rogue(hello: Mapping[str, Any], answers: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator[Rogue]:
    """Run such a server on loopback."""
    server = Rogue(hello, answers or {})
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.socket.shutdown(socket.SHUT_RDWR)
        server.socket.close()
        thread.join()
