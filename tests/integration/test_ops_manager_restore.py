"""Snapshots of Ops Manager, delivered by HTTP: a real server's files, restored by real downloads and proven by a real mongod."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError, FixInput, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.transport import Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import delivery, download, proof
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.scratch import Scratch
from lab import Member, ReplicaSet
from lab.binaries import find_mongod
from lab.data import load
from tests.ops_manager import Emulator
from tests.unit.plugins.module_utils.ops_manager.delivering import PATIENCE, Api, Network, Shelf, serving

WISH = proof.Wish(str(find_mongod()), cache_mb=256, start_seconds=60)
ROOT = Path(__file__).parents[2]
COLLECTION = "ansible_collections.mongodb_ops.backup"


@dataclass(frozen=True)
class Source:
    """A data directory, how many documents an application has in it, and the files of two collections."""

    data: Path
    documents: int
    files: dict[str, str]


def damageable(client: Any) -> list[tuple[Any, str]]:
    """Return two collections of more than a few pages."""
    return [(client.shop, "orders"), (client.local, "oplog.rs")]


def file_of(database: Any, name: str) -> str:
    """Return the name of the file that a collection is in."""
    uri: str = database.command("collStats", name)["wiredTiger"]["uri"]
    return uri.rpartition(":")[2] + ".wt"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Return what is left of a member that was stopped."""
    directory = tmp_path_factory.mktemp("source")
    with ReplicaSet("orders", [Member()], oplog_mb=990, directory=directory) as found:
        documents = load(found.uri, megabytes=3)
        with found.client() as client:
            client.shop.create_collection("weather", timeseries={"timeField": "at"})
            client.shop.command("create", "recent", viewOn="orders", pipeline=[])
            files = {f"{where.name}.{name}": file_of(where, name) for where, name in damageable(client)}
        found.stop_member(0)
        return Source(found.member(0).directory / "data", documents, files)


def packed(directory: Path, change: Callable[[Path, bytes], bytes] = lambda _path, content: content) -> bytes:
    """Return the archive of a data directory as Ops Manager delivers it; `change` may damage files on their way into it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        for path in sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "mongod.lock"):
            content = change(path, path.read_bytes())
            member = tarfile.TarInfo(f"5a6669d5-orders-1517000000/{path.relative_to(directory)}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


@pytest.fixture(scope="module")
def archive(source: Source) -> bytes:
    """Return the archive of the source."""
    return packed(source.data)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Return the server that archives are downloaded from."""
    with serving() as found:
        yield found


def restored(shelf: Shelf, tmp_path: Path, **parts: bytes) -> Path:
    """Restore a snapshot of these parts and return where it is."""
    target = tmp_path / "target"
    order = delivery.Order("p", "c", str(target), patience=PATIENCE)
    assert delivery.restore(Api(shelf, parts), Network(), order)["changed"]
    return target


def test_a_restore_is_proven(shelf: Shelf, tmp_path: Path, source: Source, archive: bytes) -> None:
    """Every collection is read, the application's and the server's own; afterwards the directory counts as used."""
    target = restored(shelf, tmp_path, rs0=archive)
    found = proof.prove(str(target), WISH)
    assert (True, []) == (found["equal"], found["differences"])
    assert found["documents"] > source.documents
    assert found["collections"] > 5
    order = delivery.Order("p", "c", str(target), patience=PATIENCE)
    with pytest.raises(Exception, match="a server has been started"):
        delivery.restore(Api(shelf, {"rs0": archive}), Network(), order)


@pytest.mark.parametrize(
    ("name", "where"), [("shop.orders", "shop.orders: not valid"), ("local.oplog.rs", "while it started")]
)
def test_a_damaged_page_fails_the_proof(shelf: Shelf, tmp_path: Path, source: Source, name: str, where: str) -> None:
    """The archive is what its checksum says, but a collection cannot be read: the proof says where and why.

    Of the first the server says so itself; the second, which it reads when it starts, makes it end.
    """

    def damage(path: Path, content: bytes) -> bytes:
        middle = len(content) // 2
        return content[:middle] + b"\xff" * 64 + content[middle + 64 :] if path.name == source.files[name] else content

    target = restored(shelf, tmp_path, rs0=packed(source.data, damage))
    found = proof.prove(str(target), WISH)
    assert not found["equal"]
    assert where in found["differences"][0]
    assert "checksum" in found["differences"][0]
    assert [] == running(target)


def test_a_missing_file_fails_the_proof(shelf: Shelf, tmp_path: Path, source: Source) -> None:
    """A catalogue that was cut off keeps the mongod from starting, and its own words are quoted."""

    def cut(path: Path, content: bytes) -> bytes:
        return content[: len(content) // 2] if path.name == "_mdb_catalog.wt" else content

    found = proof.prove(str(restored(shelf, tmp_path, rs0=packed(source.data, cut))), WISH)
    assert not found["equal"]
    assert "its log says" in found["differences"][0]


def test_nothing_of_an_application_is_no_proof(tmp_path: Path) -> None:
    """A mongod starts on an empty directory as well."""
    (tmp_path / "empty").mkdir()
    found = proof.prove(str(tmp_path / "empty"), WISH)
    assert (False, ["expected at least one collection of an application, found none"]) == (
        found["equal"],
        found["differences"],
    )


def test_every_part_is_proven(shelf: Shelf, tmp_path: Path, archive: bytes) -> None:
    """What is wrong with a shard is said with its name; one that holds nothing of an application is no failure."""
    target = restored(shelf, tmp_path, a=archive, b=archive)
    one = proof.prove(str(target), WISH, ("a",))
    for path in (target / "b").glob("collection-*.wt"):
        path.unlink()
    (target / "config").mkdir()
    found = proof.prove(str(target), WISH, ("a", "config"))
    assert (True, one["documents"]) <= (found["equal"], found["documents"])
    broken = proof.prove(str(target), WISH, ("a", "b"))
    assert not broken["equal"]
    assert all(text.startswith("b: ") for text in broken["differences"])


def test_the_scratch_mongod_listens_on_a_socket_only(tmp_path: Path) -> None:
    """No TCP port is open while it runs, and it does not survive whatever is raised."""
    (tmp_path / "data").mkdir()
    scratch = Scratch(WISH.mongod, str(tmp_path / "data"), 256, 60)

    def interrupted() -> None:
        with scratch.running():
            pids = running(tmp_path / "data")
            assert (1, []) == (len(pids), listening(pids[0]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [] == running(tmp_path / "data")


def test_a_mongod_that_was_killed_tells_nothing_about_the_data(tmp_path: Path) -> None:
    """A killed mongod does not make the snapshot damaged, and neither does a missing one."""
    (tmp_path / "data").mkdir()
    scratch = Scratch(WISH.mongod, str(tmp_path / "data"), 256, 60)

    def killed() -> None:
        with scratch.running() as client:
            os.kill(running(tmp_path / "data")[0], signal.SIGKILL)
            client.admin.command("ping")

    with pytest.raises(RetryLater, match="killed"):
        killed()
    with pytest.raises(FixInput, match="No such file"):
        proof.prove(str(tmp_path / "data"), proof.Wish(str(tmp_path / "mongod")))


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Return an Ops Manager."""
    with Emulator() as found:
        yield found


def ordered(emulator: Emulator, cluster: str, target: Path) -> tuple[Client, Connection, delivery.Order]:
    """Return what the product is asked for a restore with, over its own client."""
    connection = Connection(emulator.url, emulator.public_key, emulator.private_key)
    order = delivery.Order(emulator.project_id, cluster, str(target), patience=PATIENCE)
    return Client(connection), connection, order


def laid_down(tmp_path: Path, archive: bytes) -> Path:
    """Return a file with an archive, for the emulator to deliver."""
    (tmp_path / "archive").write_bytes(archive)
    return tmp_path / "archive"


def tokens(emulator: Emulator, cluster: str) -> list[str]:
    """Return what is secret in the addresses of all downloads."""
    return [restore.token for restore in emulator.job(cluster).restores]


def test_ops_manager_delivers_a_replica_set(emulator: Emulator, tmp_path: Path, archive: bytes) -> None:
    """From the newest snapshot of the API to a proof; a second run asks for no further job."""
    cluster = emulator.add_replica_set("rs0")
    emulator.add_snapshot(cluster, age_hours=24)
    newest = emulator.add_snapshot(cluster, expires_in_hours=3)
    emulator.snapshot_archive(newest, laid_down(tmp_path, archive))
    wanted = ordered(emulator, cluster, tmp_path / "target")
    planned = delivery.plan(wanted[0], wanted[2])
    answer = delivery.restore(*wanted)
    assert (newest, planned["plan"]) == (answer["restore"]["snapshot"], answer["plan"])
    assert not delivery.restore(*wanted)["changed"]
    assert 1 == len(tokens(emulator, cluster))
    assert not [token for token in tokens(emulator, cluster) if token in json.dumps(answer)]
    assert proof.prove(str(tmp_path / "target"), WISH)["equal"]


@pytest.mark.parametrize(
    "spoiled", [pytest.param(False, id="sound"), pytest.param(True, id="damaged", marks=pytest.mark.release)]
)
def test_a_snapshot_is_brought_to_proven(emulator: Emulator, tmp_path: Path, source: Source, spoiled: bool) -> None:
    """By the module, as a playbook does; a snapshot with damage in it is not proven, and neither leaves its copy behind."""
    cluster = emulator.add_replica_set("rs0")
    name = emulator.add_snapshot(cluster)

    def damage(path: Path, content: bytes) -> bytes:
        hit = spoiled and path.name == source.files["shop.orders"]
        return content[: len(content) // 2] + bytes(4096) + content[len(content) // 2 + 4096 :] if hit else content

    emulator.snapshot_archive(name, laid_down(tmp_path, packed(source.data, damage)))
    (tmp_path / "scratch" / f"proof-{name}").mkdir(parents=True)
    (tmp_path / "scratch" / f"proof-{name}" / "left by one that was killed").touch()
    option = {
        "url": emulator.url,
        "public_key": emulator.public_key,
        "private_key": emulator.private_key,
        "project": emulator.project_id,
        "cluster": "rs0",
        "scratch_directory": str(tmp_path / "scratch"),
        "mongod": str(find_mongod()),
    }
    arguments = {"provider": "ops_manager", "ops_manager": option, "name": name, "owner": "me", "state": "proven"}
    done = subprocess.run(
        [sys.executable, "-m", f"{COLLECTION}.plugins.modules.snapshot"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        cwd=ROOT / ".ansible/collections",
        check=False,
        timeout=120,
    )
    result = json.loads(done.stdout)
    assert bool(result.get("failed")) is spoiled, result
    assert [] == os.listdir(tmp_path / "scratch")
    proof_ = result["error"]["details"]["proof"] if spoiled else result["snapshot"]["proof"]
    assert proof_["equal"] is not spoiled
    assert emulator.private_key not in done.stdout


@pytest.mark.parametrize(("fault", "code"), [("bytes", "checksum_mismatch"), ("cut", "download_failed")])
def test_ops_manager_delivers_damage(
    emulator: Emulator, tmp_path: Path, archive: bytes, fault: Any, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is kept, and when it is right again the same call works."""
    monkeypatch.setattr(download.time, "sleep", shortly)
    cluster = emulator.add_replica_set("rs0")
    emulator.snapshot_archive(emulator.add_snapshot(cluster), laid_down(tmp_path, archive))
    emulator.switches.corrupt = fault
    wanted = ordered(emulator, cluster, tmp_path / "target")
    with pytest.raises(BackupError) as failed:
        delivery.restore(*wanted)
    assert (code, []) == (failed.value.code, os.listdir(tmp_path / "target"))
    assert not [token for token in tokens(emulator, cluster) if token in str(failed.value.failure())]
    emulator.switches.corrupt = "nothing"
    assert delivery.restore(*wanted)["changed"]


SLEEP = time.sleep


def shortly(seconds: float) -> None:
    """Wait a hundredth of what the product waits."""
    SLEEP(seconds / 100)


def test_ops_manager_delivers_a_sharded_cluster(emulator: Emulator, tmp_path: Path, archive: bytes) -> None:
    """Every replica set has a directory of its name, from a job of its own in one batch."""
    cluster = emulator.add_sharded_cluster("shop")
    snapshot = emulator.add_snapshot(cluster)
    emulator.snapshot_archive(snapshot, laid_down(tmp_path, archive))
    answer = delivery.restore(*ordered(emulator, cluster, tmp_path / "target"))
    assert ["shop-0", "shop-1", "shop-config"] == [part["directory"] for part in answer["restore"]["parts"]]
    assert proof.prove(str(tmp_path / "target"), WISH, ("shop-1",))["equal"]


HALF = """
import sys
from pathlib import Path
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import delivery
from tests.unit.plugins.module_utils.ops_manager.delivering import PATIENCE, Api, Network, serving

with serving() as shelf:
    content = Path(sys.argv[1]).read_bytes()
    shelf.put("rs0", content, stall=len(content) // 2)
    network = Network(timeout_seconds=600)
    delivery.restore(Api(shelf, {"rs0": content}), network, delivery.Order("p", "c", sys.argv[2], patience=PATIENCE))
"""


def test_killed_in_the_middle_and_run_again(shelf: Shelf, tmp_path: Path, archive: bytes) -> None:
    """What a kill in the middle of the download left is removed by the next run, which restores everything."""
    (tmp_path / "archive").write_bytes(archive)
    path = os.pathsep.join([str(ROOT / ".ansible/collections"), str(ROOT)])
    command = [sys.executable, "-c", HALF, str(tmp_path / "archive"), str(tmp_path / "target")]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    try:
        half = tmp_path / "target" / ".download" / "0.tar.gz"
        wait(lambda: half.exists() and half.stat().st_size > 0, process)
    finally:
        process.kill()
        process.wait()
    assert [".download"] == os.listdir(tmp_path / "target")
    target = restored(shelf, tmp_path, rs0=archive)
    assert not (target / ".download").exists()
    assert proof.prove(str(target), WISH)["equal"]


def wait(condition: Callable[[], bool], process: subprocess.Popen[Any], seconds: float = 30) -> None:
    """Wait for something that a process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(directory: Path) -> list[int]:
    """Return the processes that have a directory as their dbPath."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_bytes().split(b"\0")
            if b"--dbpath" in words and str(directory).encode() in words:
                found.append(int(entry.parent.name))
    return found


def listening(pid: int) -> list[str]:
    """Return the TCP sockets that a process listens on."""
    entries = list(Path(f"/proc/{pid}/fd").iterdir())
    held = {os.readlink(entry) for entry in entries if entry.is_symlink() and entry.exists()}
    tables = [Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held]
