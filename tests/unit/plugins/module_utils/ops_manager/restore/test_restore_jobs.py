# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which restore jobs are used again, and how long they are waited for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.model.activity import Snapshot
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.restore_jobs import (
    Delivery,
    Patience,
    source_of,
)
from tests.unit.plugins.module_utils.ops_manager.delivering import PATIENCE, SECRET, Api, Shelf, serving

SNAPSHOT = "5a" * 12


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Return the server that archives are downloaded from."""
    with serving() as found:
        yield found


@pytest.fixture
def api(shelf: Shelf) -> Api:
    """Return an API without jobs."""
    return Api(shelf, {"rs0": b"archive"})


def delivery(api: Api, patience: Patience = PATIENCE) -> Delivery:
    """Return the delivery of its snapshot."""
    return Delivery(api, "/groups/p/clusters/c/restoreJobs", SNAPSHOT, Snapshot.of(api.snapshots[0]).parts, patience)


@pytest.mark.parametrize(
    ("job", "of_delivery"),
    [
        ({"snapshotId": "00" * 12}, {}),
        ({"statusName": "BROKEN"}, {}),
        ({"statusName": "KILLED"}, {"statusName": "IN_PROGRESS"}),
        ({"pointInTime": True}, {}),
        ({"batchId": "b", "extra": 1}, {"methodName": "AUTOMATED_RESTORE"}),
        ({}, {"statusName": "EXPIRED"}),
        ({}, {"statusName": "MAX_DOWNLOADS_EXCEEDED"}),
        ({}, {"statusName": "FAILED"}),
        ({}, {"expires": "2026-01-01T00:00:00Z"}),
        ({}, {"url": None}),
    ],
)
def test_jobs_that_are_not_used_again(api: Api, job: dict[str, Any], of_delivery: dict[str, Any]) -> None:
    """Only what is, or will be, an archive of just this snapshot; the same job unchanged is."""
    made = api.add("rs0", SNAPSHOT, "READY")
    assert delivery(api).usable() is not None
    made.update(job)
    made["delivery"].update(of_delivery)
    assert delivery(api).usable() is None


def test_the_newest_usable_job_is_taken(api: Api) -> None:
    """One that is still being prepared is waited for, rather than making another."""
    api.add("rs0", SNAPSHOT, "READY")
    second = api.add("rs0", SNAPSHOT)
    api.add("rs0", SNAPSHOT, "EXPIRED")
    jobs = delivery(api).usable()
    assert jobs is not None
    assert ([second["id"]], True) == (jobs.names, jobs.reused)
    assert "READY" == delivery(api).wait(jobs).found[0]["delivery"]["statusName"]


@pytest.mark.parametrize("status", ["FAILED", "INTERRUPTED", "EXPIRED", "MAX_DOWNLOADS_EXCEEDED"])
def test_a_delivery_that_fails_is_said_at_once(api: Api, status: str) -> None:
    """The error names the job and its state."""
    api.final = status
    made = delivery(api).order(24)
    with pytest.raises(BackupError, match=f"{made.names[0]}.*{status}"):
        delivery(api).wait(made)


def test_a_job_that_was_killed_is_an_error(api: Api) -> None:
    """The delivery would be IN_PROGRESS for ever."""
    made = delivery(api).order(24)
    api.jobs[0]["statusName"] = "KILLED"
    with pytest.raises(BackupError, match="KILLED"):
        delivery(api).wait(made)


def test_patience_ends(api: Api) -> None:
    """The next run goes on waiting for the same job."""
    api.final = "IN_PROGRESS"
    impatient = delivery(api, Patience(0.01, 0.05, 0.05))
    with pytest.raises(RetryLater) as late:
        impatient.wait(impatient.order(24))
    again = impatient.usable()
    assert again is not None
    assert late.value.details == {"jobs": again.names}


def test_a_server_that_is_away_for_a_moment_is_asked_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of waiting do not end with one answer that did not come; an error that stays does."""
    made = delivery(api).order(24)
    failures = [RetryLater("away", code="no_answer"), RetryLater("away", code="http_503")]
    get = api.get

    def unsteady(path: str, **query: Any) -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return get(path, **query)

    monkeypatch.setattr(api, "get", unsteady)
    assert "READY" == delivery(api).wait(made).found[0]["delivery"]["statusName"]
    assert [] == failures


def test_the_newer_address_comes_with_its_header() -> None:
    """It is taken where the older is not told, and not shown by accident; any other kind of address is not opened."""
    told = {"urlV2": f"https://{SECRET}", "authHeader": "X-Key", "authValue": SECRET}
    found = source_of({"delivery": told})
    assert (f"https://{SECRET}", {"X-Key": SECRET}) == (found.url, found.headers)
    assert SECRET not in repr(found)
    for value in (SECRET, f"Bearer {SECRET}"):
        with_scheme = source_of({"delivery": {**told, "authBearer": "Bearer", "authValue": value}})
        assert {"X-Key": f"Bearer {SECRET}"} == with_scheme.headers
    older = source_of({"delivery": {**told, "url": "https://a"}})
    assert ("https://a", {}) == (older.url, older.headers)
    with pytest.raises(BackupError, match="web address"):
        source_of({"delivery": {"url": "file:///etc/passwd"}})


def test_an_address_is_not_good_for_longer_than_the_snapshot(api: Api) -> None:
    """Ops Manager refuses the job otherwise; nothing is changed where the snapshot is kept."""
    now = datetime.now(timezone.utc)
    for left, hours in ((None, 24), (90, 24), (5.5, 5), (0.5, 1)):
        delivery(api).order(24, None if left is None else now + timedelta(hours=left))
        assert hours == api.posted[-1]["delivery"]["expirationHours"]


def test_a_batch_that_lacks_a_part_is_not_used(shelf: Shelf) -> None:
    """Of a sharded cluster all parts come from one batch."""
    api = Api(shelf, {"a": b"1", "b": b"2"})
    api.add("a", SNAPSHOT, "READY", batchId="one")
    api.add("b", SNAPSHOT, "READY", batchId="two")
    assert delivery(api).usable() is None
    api.add("b", SNAPSHOT, "READY", batchId="one")
    found = delivery(api).usable()
    assert found is not None
    assert ["cluster-a", "cluster-b"] == [job["clusterId"] for job in found.found]


def test_jobs_that_name_no_part_are_an_error(shelf: Shelf) -> None:
    """The data of one shard in the directory of another would be worse than none."""
    api = Api(shelf, {"a": b"1", "b": b"2"})
    for snapshot in api.snapshots:
        for part in snapshot["parts"]:
            part["clusterId"] = "the same"
    with pytest.raises(BackupError) as failed:
        delivery(api).order(24)
    assert "unknown_parts" == failed.value.code
