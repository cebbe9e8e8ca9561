"""A repository behind a login: restic itself, and a server that speaks its protocol and takes one user alone."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from backup_agent.config import Repository
from backup_agent.errors import AgentError, BadConfiguration
from backup_agent.repository.restic import Restic

USER, SECRET = "orders", "hunt/er2@%"
GIVEN = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


class Answers(BaseHTTPRequestHandler):
    """The part of the protocol that a backup and a list of snapshots need, with files in a directory."""

    directory: Path

    def _file(self) -> Path | None:
        if self.headers["Authorization"] != GIVEN:
            self.send_error(401)
            return None
        return self.directory / self.path.partition("?")[0].strip("/")

    def _say(self, body: bytes, more: bytes | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.x.restic.rest.v1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if more is None else more)

    def do_HEAD(self) -> None:
        file = self._file()
        if file is not None and file.is_file():
            self._say(file.read_bytes(), b"")
        elif file is not None:
            self.send_error(404)

    def do_GET(self) -> None:
        file = self._file()
        if file is not None and file.is_dir():
            self._say(json.dumps([one.name for one in file.iterdir()]).encode())
        elif file is not None and file.is_file():
            self._say(self._part(file.read_bytes()))
        elif file is not None:
            self.send_error(404)

    def _part(self, content: bytes) -> bytes:
        first, _, last = (self.headers["Range"] or "").removeprefix("bytes=").partition("-")
        return content[int(first or 0) : int(last) + 1 if last else None]

    def do_POST(self) -> None:
        file = self._file()
        if file is None:
            return
        if "create=true" in self.path:
            for kind in ("data", "index", "keys", "locks", "snapshots"):
                (file / kind).mkdir(parents=True)
        else:
            file.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        self._say(b"")

    def do_DELETE(self) -> None:
        file = self._file()
        if file is not None:
            file.unlink()
            self._say(b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def location(tmp_path: Path) -> Iterator[str]:
    """Give the location of a server that has nothing yet."""
    handler = type("Handler", (Answers,), {"directory": tmp_path / "served"})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"rest:http://127.0.0.1:{server.server_address[1]}/orders/"
    server.shutdown()
    server.server_close()


def opened(tmp_path: Path, location: str, secret: str) -> Restic:
    """Return the repository with a login from a file."""
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("one")
    environment = tmp_path / "environment.json"
    environment.write_text(json.dumps({"RESTIC_REST_USERNAME": USER, "RESTIC_REST_PASSWORD": secret}))
    environment.chmod(0o600)
    where = Repository(location=location, password_file=tmp_path / "password", environment_file=environment)
    return Restic(where, tmp_path / "cache")


def test_the_login_comes_from_the_file(tmp_path: Path, location: str) -> None:
    """Whatever restic this is, it logs in, stores and lists. With another secret it is refused, and no secret is shown."""
    (tmp_path / "a").write_text("what is kept")
    restic = opened(tmp_path, location, SECRET)
    restic.prepare(first_use=True)

    stored = restic.backup(tmp_path, ["a"], host="orders", tags=["job=orders"])

    assert [stored.restic_id] == [found.id[:8] for found in restic.snapshots("job=orders")]
    with pytest.raises(AgentError) as refused:
        opened(tmp_path, location, "wr0ng").snapshots()
    assert "wr0ng" not in refused.value.message
    assert SECRET not in refused.value.message


def test_a_file_that_others_read_is_refused(tmp_path: Path, location: str) -> None:
    """Before restic is started."""
    restic = opened(tmp_path, location, SECRET)
    (tmp_path / "environment.json").chmod(0o644)

    with pytest.raises(BadConfiguration, match="expected mode 0600, found 0644"):
        restic.snapshots()
