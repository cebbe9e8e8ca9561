"""Restores by download: the file, its hash, its expiry, and what may be wrong with it."""

from __future__ import annotations

import hashlib
import http.client
import tarfile
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.ops_manager import Emulator
from tests.unit.emulator.asking import Asker, wait_until

DOWNLOAD = {"methodName": "HTTP", "expirationHours": 1}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Give an archive that a test supplies."""
    content = tmp_path / "collection.bson"
    content.write_bytes(bytes(range(256)) * 4096)
    path = tmp_path / "snapshot.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        packed.add(content, "snapshot/collection.bson")
    return path


def restore(ask: Asker, cluster: str, snapshot: str, **delivery: Any) -> dict[str, Any]:
    """Ask for a download, and wait until it is ready."""
    body = {"snapshotId": snapshot, "delivery": {**DOWNLOAD, **delivery}}
    answer = ask("POST", f"clusters/{cluster}/restoreJobs", body)
    assert answer.status == 200, answer
    made = answer.results[0]
    assert (made["statusName"], made["hashes"]) == ("IN_PROGRESS", [])
    assert "url" not in made["delivery"]
    path = f"clusters/{cluster}/restoreJobs/{made['id']}"
    wait_until("the download", lambda: ask.get(path)["delivery"]["statusName"] == "READY")
    found: dict[str, Any] = ask.get(path)
    return found


def fetch(url: str, **headers: str) -> bytes:
    """Download without a digest."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
        content: bytes = response.read()
        return content


def sha1(content: bytes) -> str:
    """Return the hash that the API announces."""
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def test_a_download(om: Emulator, ask: Asker, cluster: str, archive: Path) -> None:
    """It is the file of the test, whole or in part, and its hash is right."""
    snapshot = om.add_snapshot(cluster)
    om.snapshot_archive(snapshot, archive)
    job = restore(ask, cluster, snapshot)
    content = fetch(job["delivery"]["url"])
    assert content == archive.read_bytes()
    assert job["hashes"][0]["hash"] == sha1(content)
    assert fetch(job["delivery"]["url"], Range="bytes=100-") == content[100:]
    bearer = {"Authorization": f"Bearer {job['delivery']['authValue']}"}
    assert fetch(job["delivery"]["urlV2"], **bearer) == content
    with pytest.raises(urllib.error.HTTPError, match="401"):
        fetch(job["delivery"]["urlV2"])


def test_without_a_file_there_is_a_small_archive(om: Emulator, ask: Asker, cluster: str) -> None:
    """With a hash that holds."""
    job = restore(ask, cluster, om.add_snapshot(cluster))
    assert sha1(fetch(job["delivery"]["url"])) == job["hashes"][0]["hash"]


@pytest.mark.parametrize("wrong", ["bytes", "hash"])
def test_a_download_that_is_damaged(om: Emulator, ask: Asker, cluster: str, archive: Path, wrong: str) -> None:
    """The hash does not fit, whichever of the two is wrong."""
    snapshot = om.add_snapshot(cluster)
    om.snapshot_archive(snapshot, archive)
    om.switches.corrupt = wrong  # type: ignore[assignment]
    job = restore(ask, cluster, snapshot)
    content = fetch(job["delivery"]["url"])
    assert (content == archive.read_bytes()) is (wrong == "hash")
    assert sha1(content) != job["hashes"][0]["hash"]


def test_a_download_that_is_cut(om: Emulator, ask: Asker, cluster: str, archive: Path) -> None:
    """Its length was announced, but not all of it comes; the rest can be had later."""
    snapshot = om.add_snapshot(cluster)
    om.snapshot_archive(snapshot, archive)
    job = restore(ask, cluster, snapshot)
    om.switches.corrupt = "cut"
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        fetch(job["delivery"]["url"])
    om.switches.corrupt = "nothing"
    assert fetch(job["delivery"]["url"], Range="bytes=10-") == archive.read_bytes()[10:]


def test_a_download_may_be_made_so_often(om: Emulator, ask: Asker, cluster: str) -> None:
    """After that the job says so, and the link is dead."""
    job = restore(ask, cluster, om.add_snapshot(cluster), maxDownloads=1)
    fetch(job["delivery"]["url"])
    with pytest.raises(urllib.error.HTTPError, match="410"):
        fetch(job["delivery"]["url"])
    shown = ask.get(f"clusters/{cluster}/restoreJobs/{job['id']}")["delivery"]
    assert shown["statusName"] == "MAX_DOWNLOADS_EXCEEDED"
    assert "url" not in shown


def test_a_download_expires(om: Emulator, ask: Asker, cluster: str) -> None:
    """The clock of the server decides."""
    job = restore(ask, cluster, om.add_snapshot(cluster))
    om.skip(7200)
    with pytest.raises(urllib.error.HTTPError, match="410"):
        fetch(job["delivery"]["url"])
    assert ask.get(f"clusters/{cluster}/restoreJobs/{job['id']}")["delivery"]["statusName"] == "EXPIRED"


def test_a_sharded_cluster_is_a_batch(om: Emulator, ask: Asker, archive: Path) -> None:
    """One job for each replica set, each with its file."""
    whole = om.add_sharded_cluster(shards=2)
    snapshot = om.add_snapshot(whole)
    om.snapshot_archive(snapshot, archive, om.parts(whole)[0])
    made = ask("POST", f"clusters/{whole}/restoreJobs", {"snapshotId": snapshot, "delivery": DOWNLOAD}).results
    assert [one["clusterId"] for one in made] == om.parts(whole)
    batch = made[0]["batchId"]
    assert {one["batchId"] for one in made} == {batch}
    path = f"clusters/{whole}/restoreJobs"

    def ready() -> list[dict[str, Any]] | None:
        jobs: list[dict[str, Any]] = ask.get(path, batchId=batch)["results"]
        return jobs if all(one["statusName"] == "FINISHED" for one in jobs) else None

    contents = [fetch(job["delivery"]["url"]) for job in wait_until("the downloads", ready)]
    assert [content == archive.read_bytes() for content in contents] == [True, False, False]


def test_what_cannot_be_restored(om: Emulator, ask: Asker, cluster: str) -> None:
    """Each has its code."""
    path = f"clusters/{cluster}/restoreJobs"
    good = om.add_snapshot(cluster, age_hours=2)
    begun = om.add_snapshot(cluster, complete=False)
    automated = {"methodName": "AUTOMATED_RESTORE", "targetGroupId": om.project_id, "targetClusterId": cluster}

    def code(body: dict[str, Any], where: str = path) -> tuple[int, str | None]:
        return ask("POST", where, body).code

    incomplete = "CANNOT_START_RESTORE_JOB_FOR_INCOMPLETE_SNAPSHOT"
    assert code({"snapshotId": begun, "delivery": DOWNLOAD}) == (409, incomplete)
    assert code({"snapshotId": "0" * 24, "delivery": DOWNLOAD}) == (404, "SNAPSHOT_NOT_FOUND")
    assert code({"snapshotId": good, "delivery": {"methodName": "SCP"}}) == (400, "UNSUPPORTED_DELIVERY_METHOD")
    assert code({"snapshotId": good, "delivery": {"methodName": "AUTOMATED_RESTORE"}}) == (400, "MISSING_ATTRIBUTE")
    late = {"methodName": "HTTP", "expirationHours": 9999}
    assert code({"snapshotId": good, "delivery": late}) == (409, "LINK_EXPIRATION_AFTER_SNAPSHOT_DELETION")
    now = datetime.now(UTC)
    for hours, expected in ((1, (200, None)), (9, (409, "CANNOT_START_RESTORE_JOB_FOR_INVALID_POINT_IN_TIME"))):
        moment = int((now - timedelta(hours=hours)).timestamp() * 1000)
        assert code({"pointInTimeUTCMillis": moment, "delivery": automated}) == expected
    whole = om.add_sharded_cluster()
    at = {"oplogTs": int(now.timestamp()), "oplogInc": 1, "delivery": automated}
    assert code(at, f"clusters/{whole}/restoreJobs") == (409, "NO_CHECKPOINT_FOR_PIT_RESTORE")
    om.switches.on_access_list = False
    assert code({"snapshotId": good, "delivery": DOWNLOAD}) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST")
