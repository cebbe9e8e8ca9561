"""The head: a real mongod on a socket of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bson import DatetimeMS, encode
from bson.raw_bson import RawBSONDocument
from harness import wait_until

from backup_agent.head import HeadFailed, Mongod, point_nowhere
from backup_agent.values import RAW
from lab.binaries import find_mongod


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Mongod]:
    """Give a head that is removed at the end; it is not started yet."""
    found = Mongod(find_mongod(), tmp_path / "head", tmp_path / "a.sock", 256)
    yield found
    found.remove()


def listening(pid: int) -> list[str]:
    """Return the TCP sockets that a process listens on."""
    inodes = {
        os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink() and entry.exists()
    }
    rows = [
        row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


def test_it_listens_on_its_socket_only(head: Mongod) -> None:
    """No TCP port is open, and the directory is private."""
    head.start()
    assert [] == listening(int((head.dbpath / "mongod.lock").read_text()))
    assert head.socket.is_socket()
    assert 0o700 == head.directory.stat().st_mode & 0o777


def test_its_data_survive_a_move_of_its_socket(head: Mongod, tmp_path: Path) -> None:
    """A changed socket directory is taken over by the set of one member, with all its data."""
    head.start()["shop"]["orders"].insert_one({"_id": 1})
    head.stop()
    moved = Mongod(find_mongod(), tmp_path / "head", tmp_path / "b.sock", 256)
    try:
        assert {"_id": 1} == moved.start()["shop"]["orders"].find_one()
        moved.client["shop"]["orders"].insert_one({"_id": 2})
    finally:
        moved.kill()
        moved.stop()


def test_files_that_are_no_database_are_named(head: Mongod) -> None:
    """A head that does not start leaves no process, and its error has the words of mongod's log."""
    head.dbpath.mkdir(parents=True)
    (head.dbpath / "WiredTiger.turtle").write_text("nonsense")
    (head.dbpath / "WiredTiger").write_text("nonsense")
    with pytest.raises(HeadFailed, match="log"):
        head.start()
    assert not head.alive


def test_it_dies_with_its_agent(head: Mongod) -> None:
    """SIGKILL of the agent leaves no mongod behind."""
    program = (
        "import sys, time; from pathlib import Path; from backup_agent.head import Mongod\n"
        f"m = Mongod(Path({str(find_mongod())!r}), Path({str(head.directory)!r}), Path({str(head.socket)!r}), 256)\n"
        "m.start(); print((m.dbpath / 'mongod.lock').read_text().strip(), flush=True); time.sleep(600)"
    )
    agent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    pid = int(agent.stdout.readline())
    agent.kill()
    agent.wait()
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_of_an_agent_that_is_gone_ends_before_it_becomes_its_program(tmp_path: Path) -> None:
    """SIGKILL between fork and exec leaves nothing behind either: such a mongod would hold the files of the head for ever."""
    survived = tmp_path / "survived"
    program = (
        "import os, signal, sys, time; from backup_agent.head import dies_with_agent\n"
        "prepare, agent = dies_with_agent(signal.SIGKILL), os.getpid()\n"
        "if os.fork() == 0:\n"
        "    while os.getppid() == agent: time.sleep(0.01)\n"
        f"    prepare(); open({str(survived)!r}, 'w').close()\n"
        "else: os.kill(agent, signal.SIGKILL)\n"
    )
    # The pipe is open for as long as the child lives.
    agent = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60, check=False)
    assert -signal.SIGKILL == agent.returncode
    assert not survived.exists()


def test_a_mongod_that_an_agent_left_is_ended(head: Mongod) -> None:
    """A mongod that still holds the files of the head makes room for the next, and loses nothing that it has acknowledged."""
    head.start()["shop"]["orders"].insert_one({"_id": 1})
    head.stop()
    arguments = ["--dbpath", str(head.dbpath), "--port", "0", "--bind_ip", str(head.socket), "--nounixsocket"]
    with subprocess.Popen([str(find_mongod()), *arguments], stdout=subprocess.DEVNULL) as left:
        try:
            wait_until("it holds the files", lambda: (head.dbpath / "mongod.lock").read_text() == f"{left.pid}\n")
            assert {"_id": 1} == head.start()["shop"]["orders"].find_one()
            assert -signal.SIGKILL == left.wait(timeout=10)
        finally:
            left.kill()


STRANGE = b"\xff\xfe"
"""What no string of a decent client has; servers do not look at it."""


def test_no_document_keeps_the_list_of_shards_from_leading_nowhere(head: Mongod) -> None:
    """The attack: one document that Python cannot decode made each restore fail, of snapshots that were proven."""
    far = DatetimeMS(10**15)
    documents = [
        encode({"_id": "sh0", "host": "sh0/a:1"}),
        encode({"_id": "sh1", "host": "sh1/b:1", "since": far}),
        encode({"_id": "sh2", "host": far}),
        encode({"_id": far, "host": "sh3/c:1"}),
        encode({"_id": "sh4", "host": "XX/d:1"}).replace(b"XX", STRANGE),
        encode({"_id": "XX", "host": "sh5/e:1"}).replace(b"XX", STRANGE),
        encode({"_id": "sh6"}),
    ]
    shards = head.start().config.get_collection("shards", codec_options=RAW)
    shards.insert_many(map(RawBSONDocument, documents))
    point_nowhere(head.client)
    hosts = [document["host"] for document in shards.find({}, {"host": 1})]
    assert len(documents) == len(hosts)
    assert {"restored.invalid:1"} == {host.partition("/")[2] for host in hosts}
    assert ["sh0", "sh1", str(far), "sh3", r"\xff\xfe", "sh5", ""] == [host.partition("/")[0] for host in hosts]
