# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloads from a real server that misbehaves."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError, GiveUp, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore import download
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.restore.download import (
    Download,
    Downloaded,
    Source,
)
from tests.unit.plugins.module_utils.ops_manager.delivering import SECRET, Network, Shelf, serving

CONTENT = os.urandom(3_500_000)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Return the server."""
    with serving() as found:
        yield found


def fetch(url: str, tmp_path: Path, headers: dict[str, str] | None = None, **network: Any) -> tuple[Downloaded, bytes]:
    """Download, and return what is told about it and what is in the file."""
    path = tmp_path / "archive"
    found = Download(Source(url, headers or {}), str(path), Network(**network), pause_seconds=0).run()
    assert hashlib.sha1(path.read_bytes()).hexdigest() == found.sha1
    assert 0o600 == path.stat().st_mode & 0o777
    return found, path.read_bytes()


def test_a_cut_connection_begins_anew(shelf: Shelf, tmp_path: Path) -> None:
    """Without ranges the whole file comes again, and nothing of the first attempt stays."""
    archive = shelf.put("a", CONTENT, cuts=[2_000_000, 10])
    found, content = fetch(shelf.url("a"), tmp_path)
    assert (CONTENT, 3, len(CONTENT)) == (content, found.attempts, found.bytes)
    assert [None] * 3 == archive.asked


def test_a_server_that_can_is_asked_for_the_rest(shelf: Shelf, tmp_path: Path) -> None:
    """With ranges only what is missing comes again, and the checksum is of the whole."""
    archive = shelf.put("a", CONTENT, cuts=[2_000_000, 500_000], ranges=True)
    _found, content = fetch(shelf.url("a"), tmp_path)
    assert content == CONTENT
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in archive.asked[1:] if asked]
    assert None is archive.asked[0]
    assert 2 == len(starts)
    assert 0 < starts[0] <= 2_000_000
    assert starts[0] < starts[1] <= 2_500_000


def test_an_archive_that_changed_begins_anew(shelf: Shelf, tmp_path: Path) -> None:
    """The server sends all of it when it is not what the first part was of."""
    archive = shelf.put("a", CONTENT, cuts=[2_000_000], ranges=True)
    downloading = Download(Source(shelf.url("a")), str(tmp_path / "archive"), Network(), pause_seconds=0)
    with pytest.raises(download._Interrupted):
        downloading._attempt()
    archive.ranges, archive.content = False, CONTENT[:-1] + b"!"
    downloading._attempt()
    assert archive.content == (tmp_path / "archive").read_bytes()


def test_three_attempts_and_no_more(shelf: Shelf, tmp_path: Path) -> None:
    """A network that never works ends the download, and another call may do."""
    archive = shelf.put("a", CONTENT, cuts=[5] * 9)
    with pytest.raises(RetryLater, match="3 times") as failed:
        fetch(shelf.url("a"), tmp_path)
    assert ("download_failed", 3) == (failed.value.code, len(archive.asked))


def test_a_busy_server_is_asked_again(shelf: Shelf, tmp_path: Path) -> None:
    """503 is no answer about the archive."""
    shelf.put("a", CONTENT, refusals=[503, 500])
    assert 3 == fetch(shelf.url("a"), tmp_path)[0].attempts


def test_an_address_that_is_used_up_is_not(shelf: Shelf, tmp_path: Path) -> None:
    """403 stays 403; the error does not show the address."""
    archive = shelf.put("a", CONTENT, refusals=[403])
    with pytest.raises(GiveUp) as failed:
        fetch(shelf.url("a"), tmp_path)
    assert ("download_refused", 1) == (failed.value.code, len(archive.asked))
    assert SECRET not in str(failed.value.failure())


def test_the_authorization_does_not_follow_a_redirect(shelf: Shelf, tmp_path: Path) -> None:
    """The header is for the address that it came with, and for nobody else."""
    shelf.put("a", CONTENT, demands=("X-Key", "k"), redirects=[shelf.url("b"), shelf.url("a")])
    shelf.put("b", CONTENT, demands=("X-Key", "k"))
    with pytest.raises(GiveUp):
        fetch(shelf.url("a"), tmp_path, {"X-Key": "k"})
    with pytest.raises(GiveUp):
        fetch(shelf.url("a"), tmp_path, {"X-Key": "k"})
    assert CONTENT == fetch(shelf.url("a"), tmp_path, {"X-Key": "k"})[1]


def test_nobody_listens(tmp_path: Path) -> None:
    """The words of the system say so, and the address is not shown."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{SECRET}/a"
        with pytest.raises(BackupError, match="refused") as failed:
            fetch(url, tmp_path)
    assert SECRET not in str(failed.value.failure())


def test_a_silent_server_is_left(tmp_path: Path) -> None:
    """The time limit of the connection holds for a download as well."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(RetryLater, match="no answer in time"):
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/a", tmp_path, timeout_seconds=0.1)


def test_the_proxy_of_the_connection_wins(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request goes to the proxy, whatever the environment says; the host of the address is not looked up here."""
    monkeypatch.setenv("no_proxy", "*")
    shelf.put("a", CONTENT)
    proxy = shelf.url("").split("/" + SECRET)[0]
    assert CONTENT == fetch(f"http://opsmanager.invalid/{SECRET}/a", tmp_path, proxy=proxy, plaintext=True)[1]


def test_an_archive_that_does_not_fit_is_not_begun(shelf: Shelf, tmp_path: Path) -> None:
    """The announced length is compared with the room on the disk before anything is written."""
    shelf.put("a", CONTENT)
    downloading = Download(Source(shelf.url("a")), str(tmp_path / "archive"), Network())
    with pytest.raises(BackupError) as failed:
        downloading._demand_room(2**62)
    assert "no_room" == failed.value.code


def test_an_archive_is_not_fetched_in_the_clear_from_another_machine(tmp_path: Path) -> None:
    """Whoever is on the way would have the data; nothing is asked."""
    with pytest.raises(GiveUp, match="Expected an archive behind TLS") as refused:
        fetch(f"http://opsmanager.invalid/{SECRET}/a", tmp_path)
    assert "not_safe" == refused.value.code
    assert SECRET not in refused.value.message


def test_a_redirect_leads_to_no_other_machine_in_the_clear(shelf: Shelf, tmp_path: Path) -> None:
    """What was asked for on this machine is not fetched where others can read it."""
    shelf.put("a", CONTENT, redirects=[f"http://opsmanager.invalid/{SECRET}/b"])
    with pytest.raises(GiveUp) as refused:
        fetch(shelf.url("a"), tmp_path)
    assert "redirect_refused" == refused.value.code
    assert SECRET not in refused.value.message
