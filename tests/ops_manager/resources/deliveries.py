"""Downloads: the archive of a snapshot, by a link that expires and counts."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

from werkzeug import Response
from werkzeug.utils import send_file

from tests.ops_manager.call import Call, Result, route
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Cluster, Restore
from tests.ops_manager.world import World


@route("GET", "/v2/pull/<token>/<name>", needs="nobody", base="/backup/restore")
def by_link(call: Call) -> Result:
    """Deliver to every caller that knows the link."""
    return _deliver(call, _restore(call))


@route("GET", "/v3/pull/<token>/<name>", needs="nobody", base="/backup/restore")
def by_header(call: Call) -> Result:
    """Deliver to every caller that knows the link and sends the header that was announced with it."""
    restore = _restore(call)
    if call.request.headers.get("Authorization") != f"Bearer {restore.auth}":
        raise Problem("USER_UNAUTHORIZED", "The header that belongs to this link is missing.")
    return _deliver(call, restore)


def _restore(call: Call) -> Restore:
    jobs = (job for project in call.world.projects.values() for job in project.jobs.values())
    for restore in (restore for job in jobs for restore in job.restores):
        if restore.token == call.values["token"] and restore.status == "FINISHED":
            return restore
    raise Problem("RESOURCE_NOT_FOUND", "There is no such download.")


def _deliver(call: Call, restore: Restore) -> Response:
    if restore.expires is not None and restore.expires < call.now:
        raise Problem(None, "The download has expired.", status=410)
    if restore.downloads >= restore.max_downloads:
        raise Problem(None, "The download was made as often as is allowed.", status=410)
    if call.request.range is None or call.request.range.ranges[0][0] == 0:
        restore.downloads += 1
    content = content_of(call.world, restore)
    if call.world.switches.corrupt == "bytes":
        content = _with_a_byte_changed(content)
    response = send_file(
        io.BytesIO(content),
        call.request.environ,
        mimetype="application/x-gzip",
        download_name=call.values["name"],
        etag=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
    )
    response.headers["X-Download-Cut"] = str(call.world.switches.corrupt == "cut").lower()
    return response


def content_of(world: World, restore: Restore) -> bytes:
    """Return the archive that a test has put down for the snapshot, or a small one of our own."""
    path = world.archives.get((restore.snapshot_id or "", restore.part_id))
    return _small_archive() if path is None else path.read_bytes()


def sha1_of(world: World, restore: Restore) -> str:
    found = hashlib.sha1(content_of(world, restore), usedforsecurity=False).hexdigest()
    return found[::-1] if world.switches.corrupt == "hash" else found


def file_name(part: Cluster) -> str:
    return f"{part.replica_set_name}-{part.id}.tar.gz"


def _with_a_byte_changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def _small_archive() -> bytes:
    """Return the same archive every time, so that its hash holds."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        text = b"An archive that no test has supplied.\n"
        member = tarfile.TarInfo("snapshot/README")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return gzip.compress(packed.getvalue(), mtime=0)
