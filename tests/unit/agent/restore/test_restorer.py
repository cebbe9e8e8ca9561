"""What is checked before anything is restored: the version of the data, and room for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backup_agent.config import Repository
from backup_agent.errors import BadConfiguration, OperationFailed, Refused
from backup_agent.repository.restic import Restic
from backup_agent.restore.plan import Plan
from backup_agent.restore.restorer import Restorer
from backup_agent.restore.target import Target
from tests.unit.agent.stored import archive, snapshot, ts

HELD = {"namespace": "shop.a", "type": "collection", "options": {}, "indexes": [], "documents": 5}
MANIFEST = {
    "format": 1,
    "job": "orders",
    "generation": 1,
    "optime": {},
    "server_version": "6.0.5",
    "digests": False,
    "collections": [HELD, {**HELD, "documents": 2}, {**HELD, "type": "view", "documents": None}],
}
CHOSEN = Plan("orders", snapshot("a", 50), (archive("x", 10, 100),), ts(95))
ANSWERS = """#!/bin/sh
case "$*" in
*dump*) cat {here}/manifest.json;;
*stats*) echo '{{"total_size": {size}}}';;
esac
"""


def program(path: Path, text: str) -> Path:
    """Write a program."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def restorer(here: Path, version: str = "6.0.27", manifest: object = MANIFEST, size: int = 1000) -> Restorer:
    """Return a restorer whose restic and mongod answer as asked for."""
    (here / "manifest.json").write_text(json.dumps(manifest))
    restic = program(here / "restic", ANSWERS.format(here=here, size=size))
    mongod = program(here / "mongod", f"#!/bin/sh\necho db version v{version}\n")
    repository = Repository(location="/r", password_file=here / "p", restic=str(restic))
    return Restorer(
        Restic(repository, here / "cache"), mongod, Target(here / "new/target"), lambda *_, **__: None, lambda: None
    )


def test_the_plan_says_what_it_takes(tmp_path: Path) -> None:
    """Bytes of data and of oplog, and what the snapshot holds; nothing is made."""
    found = restorer(tmp_path).explain(CHOSEN)
    assert (2, 7, 1000, 1000) == (found.collections, found.documents, found.data_bytes, found.oplog_bytes)
    assert ("6.0.5", str(tmp_path / "new/target")) == (found.server_version, found.target)
    assert not (tmp_path / "new").exists()


def test_a_mongod_of_another_major_version_is_refused(tmp_path: Path) -> None:
    """It would upgrade the files, or not start on them at all."""
    with pytest.raises(Refused, match=r"major version, 6\.0\.5, found .* 7\.0\.1; name one with --mongod"):
        restorer(tmp_path, version="7.0.1").explain(CHOSEN)


def test_a_mongod_that_is_missing_is_named(tmp_path: Path) -> None:
    """Before hours of download, not after them."""
    found = restorer(tmp_path)
    found.mongod.unlink()
    with pytest.raises(BadConfiguration, match="expected a mongod that runs"):
        found.explain(CHOSEN)


def test_a_snapshot_without_its_manifest_is_not_restored(tmp_path: Path) -> None:
    """Nobody can say what it is."""
    with pytest.raises(OperationFailed, match=r"expected a manifest in .* of snapshot a, found"):
        restorer(tmp_path, manifest={}).explain(CHOSEN)


def test_room_is_required_for_data_and_for_what_the_replay_adds(tmp_path: Path) -> None:
    """Looked at where the target will be made."""
    fits = restorer(tmp_path)
    fits.require_room(fits.explain(CHOSEN))
    small = restorer(tmp_path, size=10**18)
    with pytest.raises(Refused, match=r"expected 3300000000000000\d+ bytes free for .*target, found \d+; make room"):
        small.require_room(small.explain(CHOSEN))
