# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloading an archive from the address of a restore job. The address is a secret: whoever has it has the data."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import IO, Any, Protocol
from urllib.parse import unquote, urlsplit

from ansible.module_utils.urls import make_context

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import (
    AskOperator,
    BackupError,
    GiveUp,
    RetryLater,
    sentence,
)

_BLOCK = 1024 * 1024
_ATTEMPTS = 3
_GONE = (401, 403, 404, 410)


class Network(Protocol):
    """How to reach the server: what a Connection of the client holds."""

    @property
    def validate_certs(self) -> bool:
        """Whether its certificate has to be good."""

    @property
    def ca_file(self) -> str | None:
        """The authorities that are trusted; None for those of the host."""

    @property
    def client_certificate_file(self) -> str | None:
        """What to show the server."""

    @property
    def client_key_file(self) -> str | None:
        """Its key."""

    @property
    def proxy(self) -> str | None:
        """The proxy; None for that of the environment."""

    @property
    def timeout_seconds(self) -> float:
        """How long to wait for the next bytes."""


@dataclass(frozen=True)
class Source:
    """Where an archive is, by HTTP or HTTPS, and what has to be said to get it."""

    url: str = field(repr=False)  # http or https: whoever makes one has looked
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
    """Follows a redirect, but never from TLS to a connection that others can read."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and not newurl.lower().startswith("https:"):
            message = sentence(
                expected="an archive behind TLS", found="a redirect to plain HTTP", remedy="correct Ops Manager's URL"
            )
            raise GiveUp(message, code="redirect_refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _ByProxy(urllib.request.BaseHandler):
    """Sends every request by one proxy, redirected ones too. urllib's own would let no_proxy of the environment win."""

    handler_order = 100  # before the handler that writes the headers

    def __init__(self, proxy: str) -> None:
        self._proxy = urlsplit(proxy)

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        """Turn a request to the proxy."""
        if self._proxy.username is not None:
            pair = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}"
            word = base64.b64encode(pair.encode()).decode()
            request.add_unredirected_header("Proxy-Authorization", f"Basic {word}")
        request.set_proxy(self._proxy.netloc.rpartition("@")[2], self._proxy.scheme)
        return request

    https_request = http_request


def opener_for(network: Network) -> urllib.request.OpenerDirector:
    """Return what opens an address through the proxy and with the certificates of the connection."""
    context = make_context(
        cafile=network.ca_file,
        validate_certs=network.validate_certs,
        client_cert=network.client_certificate_file,
        client_key=network.client_key_file,
    )
    handlers: list[Any] = [urllib.request.HTTPSHandler(context=context), _StayOnTls()]
    if network.proxy:
        handlers += [urllib.request.ProxyHandler({}), _ByProxy(network.proxy)]
    return urllib.request.build_opener(*handlers)


class Download:
    """One archive on its way to a file."""

    def __init__(self, source: Source, path: str, network: Network, pause_seconds: float = 2.0) -> None:
        self._source, self._path = source, path
        self._opener, self._timeout, self._pause = opener_for(network), network.timeout_seconds, pause_seconds
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
        except BackupError:
            raise
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error.code) from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise _Interrupted(_words(error)) from None

    def _begin(self, answer: Any) -> None:
        """Look at the head of an answer: a part goes on behind what there is, anything else begins anew."""
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
        found = os.statvfs(os.path.dirname(self._path))
        free = found.f_bavail * found.f_frsize
        if length is not None and length > free:
            raise no_room(length, free, os.path.dirname(self._path))

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


def no_room(needed: int, free: int, path: str) -> AskOperator:
    """Return the refusal of what does not fit on the disk."""
    message = sentence(
        expected=f"{needed} bytes free on the disk of {path}",
        found=f"{free}",
        remedy="make room, or choose another target",
    )
    return AskOperator(message, code="no_room", details={"needed_bytes": needed, "free_bytes": free})


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
