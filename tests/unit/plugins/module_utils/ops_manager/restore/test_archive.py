# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unpacking delivered archives: everything that is needed, and nothing that reaches out of its directory."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator, GiveUp
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import archive
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.archive import (
    data_directory,
    unpack,
)
from tests.unit.plugins.module_utils.ops_manager.delivering import tar_gz


def unpacked(tmp_path: Path, content: bytes) -> Path:
    """Return the directory that an archive was unpacked into."""
    (tmp_path / "a.tar.gz").write_bytes(content)
    directory = tmp_path / "inside"
    directory.mkdir()
    unpack(str(tmp_path / "a.tar.gz"), str(directory))
    return directory


def code(tmp_path: Path, content: bytes) -> str:
    """Return the code that an archive is refused with."""
    with pytest.raises(GiveUp) as refused:
        unpacked(tmp_path, content)
    return refused.value.code


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """Return a member that is no plain file."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def test_files_and_directories_are_private(tmp_path: Path) -> None:
    """Contents are as they were, also in directories that are not listed; only their owner may read them."""
    files = {"top/WiredTiger": b"w" * 3_000_000, "top/journal/log.1": b"", "top/./a": b"a"}
    directory = unpacked(tmp_path, tar_gz(files, special("top/empty", tarfile.DIRTYPE)))
    found = {str(path.relative_to(directory)): path for path in directory.rglob("*")}
    assert {"top", "top/WiredTiger", "top/journal", "top/journal/log.1", "top/a", "top/empty"} == set(found)
    assert files["top/WiredTiger"] == found["top/WiredTiger"].read_bytes()
    assert {0o600, 0o700} == {path.stat().st_mode & 0o777 for path in found.values()}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", ".."])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written outside of the directory."""
    assert "unsafe_archive" == code(tmp_path, tar_gz({"good": b"1", name: b"2"}))
    assert [] == list(tmp_path.rglob("evil"))
    assert not Path("/evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    """A link could lead out, and a database holds none."""
    assert "unsafe_archive" == code(tmp_path, tar_gz({"good": b"1"}, special("link", kind, "/etc/passwd")))
    assert ["good"] == [path.name for path in (tmp_path / "inside").iterdir()]


def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    """The second would replace what was checked."""
    assert "unsafe_archive" == code(tmp_path, tar_gz({"a": b"1", "./a": b"2"}))


@pytest.mark.parametrize("length", [0, 10, 400, -5])
def test_a_part_of_an_archive_is_none(tmp_path: Path, length: int) -> None:
    """Wherever it ends too early, it is broken and not just shorter."""
    whole = tar_gz({"WiredTiger": os.urandom(5000), "b": b"b"})
    assert "broken_archive" == code(tmp_path, whole[:length])


def test_the_data_are_at_the_top_or_in_the_one_directory(tmp_path: Path) -> None:
    """Ops Manager puts a directory around the files; of two nobody knows which is meant."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "WiredTiger").touch()
    (tmp_path / "readme").touch()
    assert str(tmp_path / "a" / "b") == data_directory(str(tmp_path))
    assert str(tmp_path / "a" / "b") == data_directory(str(tmp_path / "a" / "b"))
    (tmp_path / "c").mkdir()
    with pytest.raises(GiveUp, match="WiredTiger"):
        data_directory(str(tmp_path))


BOMB = 300 * 1024 * 1024


def raw(*headers: tuple[bytes, int], sent: int = 0) -> bytes:
    """Return an archive of headers of a kind and an announced size, with `sent` bytes of zeros behind each."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for kind, size in headers:
            member = special("x", kind)
            member.size = size
            file.write(member.tobuf(tarfile.USTAR_FORMAT))
            for start in range(0, sent, 1024 * 1024):
                file.write(bytes(min(1024 * 1024, sent - start)))
    return packed.getvalue()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_description_that_is_a_bomb_is_not_read(tmp_path: Path, kind: bytes) -> None:
    """A few hundred kilobytes would take 300 MB of memory; of the global ones each would be kept."""
    content = raw((kind, BOMB), sent=BOMB)
    tracemalloc.start()
    assert "unsafe_archive" == code(tmp_path, content)
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


def test_descriptions_of_descriptions_are_broken(tmp_path: Path) -> None:
    """They would be followed until Python has no room for it."""
    assert "broken_archive" == code(tmp_path, raw(*[(tarfile.XHDTYPE, 0)] * 5000))


def test_files_have_no_more_than_was_said(tmp_path: Path) -> None:
    """All of them together; the one that is too much is not begun."""
    (tmp_path / "a.tar.gz").write_bytes(tar_gz({"a": bytes(600), "b": bytes(600)}))
    (tmp_path / "in").mkdir()
    with pytest.raises(GiveUp, match="600 bytes where the snapshot has at most 400 more"):
        unpack(str(tmp_path / "a.tar.gz"), str(tmp_path / "in"), 1000)
    assert ["a"] == [path.name for path in (tmp_path / "in").iterdir()]


def test_a_file_that_has_no_room_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is announced counts, not what has come."""
    (tmp_path / "in").mkdir()
    (tmp_path / "a.tar.gz").write_bytes(tar_gz({"a": b"1", "b": bytes(1000)}))
    monkeypatch.setattr(archive.durable, "free_bytes", lambda _path: 999)
    with pytest.raises(AskOperator, match="1000 bytes free"):
        unpack(str(tmp_path / "a.tar.gz"), str(tmp_path / "in"))
    assert ["a"] == [path.name for path in (tmp_path / "in").iterdir()]


def test_a_file_with_holes_is_refused(tmp_path: Path) -> None:
    """It is larger than all that was sent."""
    content = raw((tarfile.GNUTYPE_SPARSE, 512), sent=512)
    assert code(tmp_path, content) in ("unsafe_archive", "broken_archive")
    assert [] == list((tmp_path / "inside").iterdir())


def test_more_members_than_a_mongod_has_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs an entry of the file system."""
    monkeypatch.setattr(archive, "_MOST_MEMBERS", 3)
    assert "unsafe_archive" == code(tmp_path, tar_gz(dict.fromkeys("abcd", b"")))


def test_what_goes_on_behind_the_end_is_refused(tmp_path: Path) -> None:
    """A kilobyte of it becomes a megabyte, for as long as somebody likes."""
    content = tar_gz({"a": b"1"}) + gzip.compress(bytes(BOMB), 1)
    assert "unsafe_archive" == code(tmp_path, content)
