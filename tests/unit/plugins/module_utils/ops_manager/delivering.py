# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real HTTP server that delivers archives, and restore jobs as the API shows them, for tests of a delivery."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.transport import Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.restore_jobs import Patience

Json = dict[str, Any]

SECRET = "f00dfeed"
"""In the address of every archive: no error and no record may show it."""

PATIENCE = Patience(poll_seconds=0.01, delivery_seconds=5, checksum_seconds=0.2)


@dataclass(frozen=True)
class Network(Connection):
    """A connection without anything special."""

    url: str = ""
    public_key: str = ""
    private_key: str = field(default="", repr=False)
    timeout_seconds: float = 5.0


def tar_gz(files: Mapping[str, bytes], *members: tarfile.TarInfo) -> bytes:
    """Return an archive with these files, and these members without content behind them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return packed.getvalue()


@dataclass
class Archive:
    """What is behind one address, and how badly it is served."""

    content: bytes
    #: After how many bytes each of the next answers is cut off; None sends all.
    cuts: list[int | None] = field(default_factory=list)
    #: Statuses that the next requests are refused with.
    refusals: list[int] = field(default_factory=list)
    ranges: bool = False
    #: A header that has to come with a request.
    demands: tuple[str, str] | None = None
    #: After how many bytes every answer stops without an end.
    stall: int | None = None
    #: Where the next requests are sent to.
    redirects: list[str] = field(default_factory=list)
    #: The Range of every request, None for the whole.
    asked: list[str | None] = field(default_factory=list)


class Shelf:
    """The server. Archives are reached at `/SECRET/NAME`."""

    def __init__(self) -> None:
        self.archives: dict[str, Archive] = {}
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                shelf.answer(self)

            def log_message(self, *_arguments: Any) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def close(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        """Return the address of an archive."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{SECRET}/{name}"

    def put(self, name: str, content: bytes, **more: Any) -> Archive:
        """Lay an archive onto the shelf."""
        self.archives[name] = Archive(content, **more)
        return self.archives[name]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Serve one request."""
        archive = self.archives[request.path.rsplit("/", 1)[1]]
        archive.asked.append(request.headers.get("Range"))
        demanded = archive.demands is None or request.headers.get(archive.demands[0]) == archive.demands[1]
        refusal = 403 if not demanded else archive.refusals.pop(0) if archive.refusals else None
        if archive.redirects:
            request.send_response(302)
            request.send_header("Location", archive.redirects.pop(0))
        elif refusal:
            request.send_response(refusal)
        else:
            _send(request, archive)
            return
        request.send_header("Content-Length", "0")
        request.end_headers()


def _send(request: BaseHTTPRequestHandler, archive: Archive) -> None:
    start = 0
    asked = request.headers.get("Range")
    if archive.ranges and asked and request.headers.get("If-Range") == '"one"':
        start = int(asked.removeprefix("bytes=").rstrip("-"))
    request.send_response(206 if start else 200)
    if start:
        last = len(archive.content) - 1
        request.send_header("Content-Range", f"bytes {start}-{last}/{len(archive.content)}")
    if archive.ranges:
        request.send_header("Accept-Ranges", "bytes")
        request.send_header("ETag", '"one"')
    request.send_header("Content-Length", str(len(archive.content) - start))
    request.end_headers()
    cut = archive.cuts.pop(0) if archive.cuts else None
    if archive.stall is not None:
        request.wfile.write(archive.content[: archive.stall])
        request.rfile.read(1)  # until the other side has gone
        return
    request.wfile.write(archive.content[start : None if cut is None else start + cut])
    request.close_connection = cut is not None


@contextmanager
def serving() -> Iterator[Shelf]:
    """Yield a server while it serves."""
    found = Shelf()
    found.start()
    try:
        yield found
    finally:
        found.close()


class Api:
    """The part of the API that a delivery uses, as the client returns it: snapshots, and restore jobs that make progress.

    A job is READY when it was read `reads` times, and its checksum is told after the archive was asked for once.
    """

    server_time = None

    def __init__(self, shelf: Shelf, parts: Mapping[str, bytes], reads: int = 1) -> None:
        self._shelf, self._reads = shelf, reads
        self.jobs: list[Json] = []
        self.posted: list[Json] = []
        self.final = "READY"
        self.checksums: dict[str, str | None] = {}
        self.contents = dict(parts)
        self.snapshots = [_snapshot("5a" * 12, "2026-01-30T00:00:00Z", parts)]

    def get(self, path: str, **_query: Any) -> Json:
        """Return a snapshot or a job."""
        kind, wanted = path.split("/")[-2:]
        if kind == "snapshots":
            return next(one for one in self.snapshots if one["id"] == wanted)
        return self._progress(next(job for job in self.jobs if job["id"] == wanted))

    def pages(self, path: str, **query: Any) -> Iterator[Json]:
        """Return all snapshots or jobs."""
        if path.endswith("/snapshots"):
            yield from self.snapshots
            return
        batch = query.get("batchId")
        yield from [self._progress(job) for job in self.jobs if batch in (None, job.get("batchId"))]

    def post(self, path: str, body: Mapping[str, Any], **_query: Any) -> Json:
        """Make the jobs of a snapshot."""
        assert path.endswith("/restoreJobs")
        self.posted.append(dict(body))
        batch = {} if len(self.contents) == 1 else {"batchId": f"{len(self.posted):024x}"}
        made = [self.add(name, body["snapshotId"], **batch) for name in reversed(list(self.contents))]
        return made[0] if len(made) == 1 else {"results": made}

    def add(self, name: str, snapshot: str, status: str = "IN_PROGRESS", **more: Any) -> Json:
        """Add a job for a part, and lay its archive onto the shelf unless it is there."""
        number = f"{len(self.jobs) + 1:024x}"
        if name not in self._shelf.archives:
            self._shelf.put(name, self.contents[name])
        delivery = {"methodName": "HTTP", "statusName": status, "maxDownloads": 5, "url": self._shelf.url(name)}
        job = {
            "id": number,
            "snapshotId": snapshot,
            "clusterId": f"cluster-{name}",
            "created": f"2026-01-31T00:00:{len(self.jobs):02}Z",
            "statusName": "IN_PROGRESS",
            "delivery": delivery,
            "hashes": [],
            "name": name,
            "read": 0,
            **more,
        }
        self.jobs.append(job)
        return job

    def _progress(self, job: Json) -> Json:
        job["read"] += 1
        if job["delivery"]["statusName"] == "IN_PROGRESS" and job["read"] > self._reads:
            job["delivery"]["statusName"] = self.final
        if self._shelf.archives[job["name"]].asked:
            sha1 = self.checksums.get(job["name"], hashlib.sha1(self.contents[job["name"]]).hexdigest())
            job["hashes"] = [{"typeName": "SHA1", "fileName": f"{job['name']}.tar.gz", "hash": sha1}] if sha1 else []
        return job


def _snapshot(number: str, created: str, parts: Mapping[str, bytes]) -> Json:
    return {
        "id": number,
        "complete": True,
        "created": {"date": created, "increment": 1},
        "lastOplogAppliedTimestamp": {"date": created, "increment": 7},
        "parts": [
            {
                "replicaSetName": name,
                "clusterId": f"cluster-{name}",
                "mongodVersion": "6.0.5",
                "fileSizeBytes": 100,
                "dataSizeBytes": 90,
                "storageSizeBytes": len(content),
            }
            for name, content in parts.items()
        ],
    }
