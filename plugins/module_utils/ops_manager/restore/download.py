# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloading an archive from the address of a restore job. The address is a secret: it gives the data to anybody."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import IO, Any

from ...errors import GiveUp, RetryLater, sentence
from ..api.transport import Connection, opener
from . import durable

_BLOCK = 1024 * 1024
_ATTEMPTS = 3
_GONE = (401, 403, 404, 410)


@dataclass(frozen=True)
class Source:
    """Where an archive is, by HTTP or HTTPS, and what has to be said to get it."""

    url: str = field(repr=False)  # http or https: `source_of` has looked
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Downloaded:
    """What was written."""

    sha1: str
    bytes: int
    attempts: int


class _Interrupted(Exception):
    """The attempt failed, and another one may not."""


class _StayOnTls(urllib.request.HTTPRedirectHandler):
    """Follows a redirect, but never from TLS to a connection that others can read, nor to one that was not allowed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        leaves_tls = req.type == "https" and not newurl.lower().startswith("https:")
        if leaves_tls or not self._connection.allows(newurl):
            message = sentence(
                expected="an archive behind TLS", found="a redirect to plain HTTP", remedy="correct Ops Manager's URL"
            )
            raise GiveUp(message, code="redirect_refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Download:
    """One archive on its way to a file."""

    def __init__(self, source: Source, path: str, connection: Connection, pause_seconds: float = 2.0) -> None:
        if not connection.allows(source.url):
            remedy = "let Ops Manager deliver by HTTPS, or set ops_manager.plaintext where nobody else can read it"
            raise GiveUp(sentence(expected="an archive behind TLS", found="http://", remedy=remedy), code="not_safe")
        self._source, self._path = source, path
        self._opener = opener(connection, _StayOnTls(connection))
        self._timeout, self._pause = connection.timeout_seconds, pause_seconds
        self._hash = hashlib.sha1()  # noqa: S324 - the only sum that the API has
        self._written = 0
        #: The length that was announced; None where none was.
        self._length: int | None = None
        # What a later part of the same file is asked for with; None where the server cannot send parts.
        self._continue_with: str | None = None

    def run(self) -> Downloaded:
        """Download it, durably. A connection that breaks is tried again, from where it broke where the server can do that."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._attempt()
            except _Interrupted as error:
                reason = str(error)
            else:
                return Downloaded(self._hash.hexdigest(), self._written, attempt)
            if attempt < _ATTEMPTS:
                time.sleep(self._pause * attempt)
        found = f"{reason}, {_ATTEMPTS} times"
        remedy = "see the network between this host and Ops Manager, then run this again"
        raise RetryLater(sentence(expected="the whole archive", found=found, remedy=remedy), code="download_failed")

    def _attempt(self) -> None:
        with self._open() as answer:
            self._begin(answer)
            with open(self._path, "ab", opener=_private) as file:
                self._receive(answer, file)

    def _open(self) -> Any:
        request = urllib.request.Request(self._source.url, headers={"Accept-Encoding": "identity"})  # noqa: S310 - see `Source`
        if self._continue_with is not None and self._written:
            request.add_header("Range", f"bytes={self._written}-")
            request.add_header("If-Range", self._continue_with)
        for name, value in self._source.headers.items():
            request.add_unredirected_header(name, value)
        try:
            return self._opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code) from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise _Interrupted(_words(error)) from None

    def _begin(self, answer: Any) -> None:
        """Look at the head of an answer: a part goes on behind what there is, anything else begins again."""
        length = _number(answer.headers.get("Content-Length"))
        if answer.status == http.client.PARTIAL_CONTENT:
            if not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {self._written}-"):
                self._continue_with = None
                raise _Interrupted("another part than the one that was asked for")
            return
        self._hash = hashlib.sha1()  # noqa: S324
        self._written, self._length = 0, length
        tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        ranges = str(answer.headers.get("Accept-Ranges", "")).lower() == "bytes"
        self._continue_with = tag if ranges and tag and not tag.startswith("W/") else None
        with open(self._path, "wb", opener=_private):
            pass
        self._demand_room(length)

    def _demand_room(self, length: int | None) -> None:
        if length is not None:
            durable.demand_room(length, os.path.dirname(self._path))

    def _receive(self, answer: Any, file: IO[bytes]) -> None:
        while True:
            block = _next(answer)
            if not block:
                break
            file.write(block)
            self._hash.update(block)
            self._written += len(block)
        if self._length is not None and self._written != self._length:
            raise _Interrupted(f"{self._written} of {self._length} bytes before the connection ended")
        file.flush()
        os.fsync(file.fileno())


def _next(answer: Any) -> bytes:
    """Return the next block; a failure of the network is told apart from one of the disk here."""
    try:
        return bytes(answer.read(_BLOCK))
    except (http.client.HTTPException, OSError) as error:
        raise _Interrupted(_words(error)) from None


def _refused(status: int) -> Exception:
    if status not in _GONE:
        return _Interrupted(f"the answer {status}")
    remedy = "run this again: a new restore job is made where the old one has expired or is used up"
    message = sentence(
        expected="the archive at the address of the restore job", found=f"the answer {status}", remedy=remedy
    )
    return GiveUp(message, code="download_refused", details={"status": status})


def _words(error: BaseException) -> str:
    """Say what broke without the text of the error, which may quote the address."""
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"a certificate that is not trusted ({reason.verify_message})"
    if type(reason).__name__ in ("TimeoutError", "timeout"):  # the second is what Python 3.9 calls it
        return "no answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return f"a broken answer ({type(reason).__name__})"


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdigit() else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
