# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole deliveries, from the restore job to the record: over a real connection and on a real disk."""

from __future__ import annotations

import fcntl
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import delivery, durable
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.delivery import Order
from tests.unit.plugins.module_utils.ops_manager.delivering import (
    PATIENCE,
    SECRET,
    Api,
    Network,
    Shelf,
    serving,
    tar_gz,
)

FILES = {
    "orders-1/WiredTiger": b"WiredTiger",
    "orders-1/WiredTiger.turtle": b"1",
    "orders-1/journal/log": os.urandom(9000),
}
SNAPSHOT = "5a" * 12


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Return the server that archives are downloaded from."""
    with serving() as found:
        yield found


def order(tmp_path: Path, **more: Any) -> Order:
    """Return what is wanted."""
    return Order("p", "c", str(tmp_path / "target"), job="orders", patience=PATIENCE, **more)


def files(tmp_path: Path) -> dict[str, bytes]:
    """Return all files of the target but the record."""
    target = tmp_path / "target"
    found = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    found.pop(".restored.json", None)
    return found


def failure(api: Api, wanted: Order) -> BackupError:
    """Return what a restore fails with, which never shows where the archive is."""
    with pytest.raises(BackupError) as failed:
        delivery.restore(api, Network(), wanted)
    assert SECRET not in str(failed.value.failure())
    return failed.value


EXPECTED = {name.removeprefix("orders-1/"): content for name, content in FILES.items()}


def test_a_restore_and_nothing_to_do_after_it(shelf: Shelf, tmp_path: Path) -> None:
    """The files lie at the top of the target; the second run finds its record; a started server makes it a used directory."""
    api = Api(shelf, {"rs0": tar_gz(FILES)})
    told = delivery.plan(api, order(tmp_path))
    assert (True, False) == (told["changed"], (tmp_path / "target").exists())
    answer = delivery.restore(api, Network(), order(tmp_path))
    assert EXPECTED == files(tmp_path)
    assert (True, told["plan"], SNAPSHOT) == (answer["changed"], answer["plan"], answer["restore"]["snapshot"])
    assert [
        {"snapshotId": SNAPSHOT, "delivery": {"methodName": "HTTP", "expirationHours": 24, "maxDownloads": 5}}
    ] == api.posted
    record = (tmp_path / "target" / ".restored.json").read_text()
    assert SECRET not in record + json.dumps(answer)
    again = delivery.restore(api, Network(), order(tmp_path))
    assert (False, None, answer["restore"]) == (again["changed"], again["plan"], again["restore"])
    assert not delivery.plan(api, order(tmp_path))["changed"]
    (tmp_path / "target" / "WiredTiger.turtle").write_bytes(b"2")
    assert "server has been started" in failure(api, order(tmp_path)).message
    assert 1 == len(api.posted)


def test_a_flipped_byte_is_never_unpacked(shelf: Shelf, tmp_path: Path) -> None:
    """The checksum, which comes after the download, differs: archive and files are gone, and the next run may succeed."""
    api = Api(shelf, {"rs0": tar_gz(FILES)})
    damaged = bytearray(api.contents["rs0"])
    damaged[200] ^= 1
    archive = shelf.put("rs0", bytes(damaged))
    error = failure(api, order(tmp_path))
    assert ("checksum_mismatch", []) == (error.code, list((tmp_path / "target").iterdir()))
    archive.content = api.contents["rs0"]
    assert delivery.restore(api, Network(), order(tmp_path))["restore"]["reused_jobs"]
    assert (EXPECTED, 1) == (files(tmp_path), len(api.posted))


def test_no_checksum_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    """Without one nobody knows whether all of it arrived."""
    api = Api(shelf, {"rs0": tar_gz(FILES)})
    api.checksums["rs0"] = None
    assert "no_checksum" == failure(api, order(tmp_path)).code
    assert [] == list((tmp_path / "target").iterdir())


def test_an_archive_that_reaches_out_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    """`../evil` behind good files: neither is there afterwards."""
    api = Api(shelf, {"rs0": tar_gz({**FILES, "../evil": b"!"})})
    assert "unsafe_archive" == failure(api, order(tmp_path)).code
    assert ["target"] == [path.name for path in tmp_path.rglob("*")]


def test_an_archive_cannot_bring_the_record(shelf: Shelf, tmp_path: Path) -> None:
    """A record in an archive would say that a restore is finished which is not."""
    api = Api(shelf, {"rs0": tar_gz({"WiredTiger": b"", ".restored.json": b"{}"})})
    assert "unexpected_file" == failure(api, order(tmp_path)).code
    assert [] == list((tmp_path / "target").iterdir())


@pytest.mark.parametrize("step", ["moved", "recorded", "names"])
def test_a_crash_while_files_are_moved_starts_over(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever was moved, with or without the record, is removed and made again; nothing is left of the first."""
    api = Api(shelf, {"rs0": tar_gz(FILES)})
    crash_at(monkeypatch, step)
    with pytest.raises(Crash):
        delivery.restore(api, Network(), order(tmp_path))
    monkeypatch.undo()
    assert (tmp_path / "target" / ".download").exists()
    answer = delivery.restore(api, Network(), order(tmp_path))
    assert (True, EXPECTED) == (answer["changed"], files(tmp_path))
    assert not (tmp_path / "target" / ".download").exists()


class Crash(BaseException):
    """The process was killed."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Let the next restore die at a step, so that nothing of it runs on: not what would clean up either."""
    write, real = durable.write_json, os.rename

    def nothing(_target: Any) -> None:
        """Clean up no more than who was killed."""

    def rename(old: str, new: str) -> None:
        real(old, new)
        if step == "moved" and "/data/" in old:
            raise Crash

    def write_json(path: str, value: Any) -> None:
        write(path, value)
        if step == "recorded" and path.endswith(".restored.json"):
            raise Crash
        if step == "names" and path.endswith("names.json"):
            raise Crash

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(durable, "write_json", write_json)
    monkeypatch.setattr(delivery.Target, "abandon", nothing)


def test_what_others_put_there_is_not_touched(shelf: Shelf, tmp_path: Path) -> None:
    """A target with anything else is refused, also beside what an interrupted restore left; no job is made for it."""
    api = Api(shelf, {"rs0": tar_gz(FILES)})
    (tmp_path / "target" / ".download").mkdir(parents=True)
    (tmp_path / "target" / "mine").write_text("keep")
    for attempt in (failure(api, order(tmp_path)).code, plan_code(api, order(tmp_path))):
        assert "target_not_empty" == attempt
    assert ("keep", []) == ((tmp_path / "target" / "mine").read_text(), api.posted)
    (tmp_path / "file").touch()
    assert "target_not_empty" == failure(api, Order("p", "c", str(tmp_path / "file"), patience=PATIENCE)).code


def plan_code(api: Api, wanted: Order) -> str:
    """Return what planning is refused with."""
    with pytest.raises(BackupError) as failed:
        delivery.plan(api, wanted)
    return failed.value.code


def test_two_do_not_fill_one_directory(shelf: Shelf, tmp_path: Path) -> None:
    """The second is told to wait."""
    (tmp_path / "target").mkdir()
    handle = os.open(tmp_path / "target", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "target_busy" == failure(Api(shelf, {"rs0": tar_gz(FILES)}), order(tmp_path)).code
    finally:
        os.close(handle)


def test_a_disk_that_is_too_small_is_seen_before_anything_is_made(shelf: Shelf, tmp_path: Path) -> None:
    """Files and archive have to fit beside each other; no job is made where they do not."""
    api = Api(shelf, {"rs0": tar_gz(FILES)})
    api.snapshots[0]["parts"][0]["fileSizeBytes"] = 2**60
    assert "no_room" == failure(api, order(tmp_path)).code == plan_code(api, order(tmp_path))
    assert [] == api.posted


def test_every_part_of_a_sharded_cluster_has_a_directory(shelf: Shelf, tmp_path: Path) -> None:
    """The jobs come in any order, belong together by their batch and are told apart by the cluster that they name."""
    parts = {
        name: tar_gz({f"{name}-1/WiredTiger": name.encode(), f"{name}-1/WiredTiger.turtle": b"1"}) for name in "abc"
    }
    api = Api(shelf, parts, reads=2)
    answer = delivery.restore(api, Network(), order(tmp_path))
    assert {"a/WiredTiger": b"a", "b/WiredTiger": b"b", "c/WiredTiger": b"c"} == {
        name: content for name, content in files(tmp_path).items() if name.endswith("WiredTiger")
    }
    assert ["a", "b", "c"] == [part["directory"] for part in answer["restore"]["parts"]]
    assert not delivery.restore(api, Network(), order(tmp_path))["changed"]
    (tmp_path / "target" / "b" / "WiredTiger.turtle").write_bytes(b"2")
    assert "target_not_empty" == failure(api, order(tmp_path)).code


def test_the_newest_whole_snapshot_is_taken(shelf: Shelf, tmp_path: Path) -> None:
    """Neither the order of the answer counts, nor one that lacks a shard; one that is not complete is refused by name."""
    api = Api(shelf, {"rs0": tar_gz(FILES)})
    first = api.snapshots[0]
    second = {**first, "id": "6b" * 12, "created": {"date": "2026-01-31T00:00:00Z", "increment": 1}}
    lacking = {
        **second,
        "id": "7c" * 12,
        "created": {"date": "2026-02-01T00:00:00Z"},
        "missingShards": [{"shardName": "s"}],
    }
    api.snapshots = [second, first, lacking, {**second, "id": "8d" * 12, "complete": False}]
    assert "6b" * 12 == delivery.plan(api, order(tmp_path))["plan"]["snapshot"]
    assert ["s"] == delivery.plan(api, order(tmp_path, snapshot="7c" * 12))["plan"]["missing_shards"]
    assert "snapshot_incomplete" == plan_code(api, order(tmp_path, snapshot="8d" * 12))


def test_a_point_in_time_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    """The API delivers one only to a cluster that it manages; the error says what to do instead."""
    error = failure(Api(shelf, {"rs0": tar_gz(FILES)}), order(tmp_path, time="2026-01-31T04:05:06Z"))
    assert "point_in_time_by_http" == error.code
    assert "automated restore" in error.message


def test_a_tar_that_is_no_database_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    """A checksum can be right of the wrong thing."""
    member = tarfile.TarInfo("empty")
    member.type = tarfile.DIRTYPE
    assert "no_data_directory" == failure(Api(shelf, {"rs0": tar_gz({}, member)}), order(tmp_path)).code
