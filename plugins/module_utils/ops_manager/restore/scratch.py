# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A scratch mongod on restored files: it listens on a Unix socket only, and never survives the one that started it."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote_plus

try:
    from bson import decode
    from bson.errors import InvalidBSON
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError
except ImportError:
    pass  # `connection.HAS_PYMONGO` says so

from ...errors import BackupError, FixInput, GiveUp, RetryLater, sentence

_STOP_SECONDS = 60
_SHOWN = 300
_MOST_LAYOUT_BYTES = 1024 * 1024
_QUOTED = 3
# An error or worse, as servers write it since 4.4 and before.
_SERIOUS = re.compile(r'"s":"[EF]"|^\S+ [EF] ')
_PR_SET_PDEATHSIG = 1
# A path of a socket cannot be longer; some are lost to the name in the directory.
_LONGEST_DIRECTORY = 80
# How the files were laid out, by the option that makes a mongod read them so.
_LAYOUT = (
    ("directoryPerDB", "--directoryperdb"),
    ("directoryForIndexes", "--wiredTigerDirectoryForIndexes"),
)
_PARAMETERS = ("ttlMonitorEnabled=false", "diagnosticDataCollectionEnabled=false")

_libc = ctypes.CDLL(None, use_errno=True)


def is_dump(text: str) -> bool:
    """Whether it is the content of a damaged block, which tells nobody anything."""
    return "corrupt_dump" in text


def shortened(text: str) -> str:
    """Return the beginning of what a server says; of an entry of its log what comes behind time and thread."""
    return text[max(0, text.rfind('"msg":')) :].strip()[:_SHOWN]


# Exit statuses of a mongod that did not fail by itself.
_ENDED_BY_OTHERS = (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


class Damaged(GiveUp):
    """The files are of no use to the mongod, or make it end."""


class Scratch:
    """One mongod on a directory that becomes its own."""

    def __init__(self, mongod: str, directory: str, cache_mb: int, start_seconds: float) -> None:
        self._mongod, self._directory = mongod, directory
        self._cache_mb, self._start_seconds = cache_mb, start_seconds
        self._own = tempfile.mkdtemp(prefix="mongod-", dir=_socket_parent())
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self) -> Iterator[MongoClient[dict[str, Any]]]:
        """Start it, yield a client, and stop it whatever happens."""
        try:
            self._start()
            client = self._client()
            try:
                self._wait(client)
                yield client
            except PyMongoError as error:
                raise self._lost(shortened(str(error))) from None
            finally:
                # It says goodbye to the server, and waits for one that has gone: beside us, then.
                threading.Thread(target=client.close, daemon=True).start()
        finally:
            self._stop()
            shutil.rmtree(self._own, ignore_errors=True)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def _ends_now(self, seconds: float = 5.0) -> bool:
        """Whether it has ended, or does after a connection to it was lost."""
        try:
            if self._process is not None:
                self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def last_words(self) -> str:
        """Return the first errors of its log, shortened: those behind them are of its end."""
        try:
            with open(self._log, encoding="utf-8", errors="replace") as log:
                said = _said(log)
        except OSError:
            return "it left no log"
        return "its log says: " + " / ".join(shortened(line) for line in said)

    @property
    def _socket(self) -> str:
        return os.path.join(self._own, "mongod.sock")

    @property
    def _log(self) -> str:
        return os.path.join(self._own, "mongod.log")

    def _arguments(self) -> list[str]:
        layout = _layout(os.path.join(self._directory, "storage.bson"))
        parameters = [part for parameter in _PARAMETERS for part in ("--setParameter", parameter)]
        where = ["--dbpath", self._directory, "--logpath", self._log]
        # The socket as the only address to listen on; the usual one in /tmp would be a second.
        listen = ["--bind_ip", self._socket, "--nounixsocket"]
        cache = ["--wiredTigerCacheSizeGB", str(self._cache_mb / 1024)]
        return [self._mongod, *where, *listen, *cache, *layout, *parameters]

    def _start(self) -> None:
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the line above
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            self._process = subprocess.Popen(
                self._arguments(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - calls nothing that can wait for a lock
                start_new_session=True,
            )
        except OSError as error:
            found = error.strerror or type(error).__name__
            remedy = "name one of the major version of the snapshot"
            message = sentence(expected=f"a mongod that runs at {self._mongod}", found=found, remedy=remedy)
            raise FixInput(message, code="mongod_missing") from None

    def _client(self) -> MongoClient[dict[str, Any]]:
        address = f"mongodb://{quote_plus(self._socket)}/?directConnection=true"
        return MongoClient(address, serverSelectionTimeoutMS=2_000, retryReads=False)

    def _wait(self, client: MongoClient[dict[str, Any]]) -> None:
        deadline = time.monotonic() + self._start_seconds
        while not self._answers(client):
            if not self.alive:
                raise self._end("while it started")
            if time.monotonic() > deadline:
                found = f"none in {self._start_seconds:g} s; {self.last_words()}"
                message = sentence(expected="the scratch mongod to answer", found=found, remedy="give it more time")
                raise RetryLater(message, code="mongod_slow")
            time.sleep(0.05)

    def _answers(self, client: MongoClient[dict[str, Any]]) -> bool:
        if not os.path.exists(self._socket):
            return False
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    def _end(self, during: str) -> BackupError:
        """Return the error of a mongod that ended: of the data where it ended by itself, else of what ended it."""
        status = self._process.poll() if self._process is not None else None
        if status in _ENDED_BY_OTHERS:
            message = sentence(
                expected=f"a mongod that runs on {self._directory}",
                found=f"one that was told to stop or was killed ({status})",
                remedy="see that there is memory for it, then try again",
            )
            return RetryLater(message, code="mongod_killed")
        message = sentence(
            expected=f"a mongod that runs on {self._directory}",
            found=f"one that ended with status {status} {during}; {self.last_words()}",
            remedy="name a mongod of the major version of the snapshot, or take the snapshot for damaged",
        )
        return Damaged(message, code="mongod_ended")

    def _lost(self, during: str) -> BackupError:
        """Return the error of a lost connection, which is seen a moment before the end of the mongod."""
        if self._ends_now():
            return self._end(during)
        message = sentence(expected=f"answers of the mongod on {self._directory}", found=during, remedy="try again")
        return RetryLater(message, code="driver_error")

    def _stop(self) -> None:
        if self._process is None:
            return
        if self.alive:
            self._process.terminate()
            try:
                self._process.wait(timeout=_STOP_SECONDS)
            except BaseException:
                self._process.kill()
                self._process.wait()
                raise
        self._process.wait()


def _socket_parent() -> str:
    """Return where the socket's directory is made: the path must not get too long."""
    usual = tempfile.gettempdir()
    return usual if len(usual) < _LONGEST_DIRECTORY else "/tmp"  # noqa: S108 - mkdtemp makes one of our own below it


def _layout(path: str) -> list[str]:
    """Return the options without which a mongod refuses files of this layout; it is written beside them."""
    try:
        with open(path, "rb") as file:
            found = decode(file.read(_MOST_LAYOUT_BYTES))
    except (OSError, InvalidBSON):
        return []
    options = (found.get("storage") or {}).get("options") or {}
    return [option for name, option in _LAYOUT if options.get(name) is True]


def _said(log: Iterable[str]) -> list[str]:
    """Return the first errors of a log; its last line where there are none."""
    serious: list[str] = []
    last = "nothing"
    for last in log:
        if len(serious) < _QUOTED and _SERIOUS.search(last) and not is_dump(last):
            serious.append(last)
    return serious or [last]
