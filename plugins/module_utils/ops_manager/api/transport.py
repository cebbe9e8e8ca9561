# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach the server: the option as a checked value, what opens its addresses, and one request of the API at a time.

An opener of its own rather than `ansible.module_utils.urls`: that one keeps its opener in a variable of the whole process,
where the threads of a module that looks at many jobs would take each other's certificates, proxies and keys.
"""

from __future__ import annotations

import base64
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from email.message import Message
from typing import Any
from urllib import error, request
from urllib.parse import SplitResult, unquote, urlsplit

from ...errors import bad_option
from ...in_the_clear import is_local

API = "/api/public/v1.0"

#: More than the longest page of the API has by far.
MOST_BODY_BYTES = 32 * 1024 * 1024


class TooLarge(ValueError):
    """An answer that goes on and on."""


@dataclass(frozen=True)
class Connection:
    """Where the API is, and who calls it by which way."""

    url: str
    public_key: str
    private_key: str = field(repr=False)
    validate_certs: bool = True
    ca_file: str | None = None
    client_certificate_file: str | None = None
    client_key_file: str | None = None
    #: May hold a password.
    proxy: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0
    #: Whether it is on purpose that others can read, and change, what is said on the way.
    plaintext: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Connection:
        """Take over what the option `ops_manager` says; what makes no sense is refused."""
        timeout = options["timeout_seconds"]
        if not math.isfinite(timeout) or timeout <= 0:
            raise bad_option("ops_manager.timeout_seconds to be more than 0", f"{timeout:g}", "leave it out")
        if options.get("proxy"):
            _demand_address(options["proxy"], "ops_manager.proxy")
        # What is empty was not given.
        given = {one.name: options[one.name] for one in fields(cls) if options.get(one.name) not in (None, "")}
        found = cls(**{**given, "url": _base(options["url"])})
        if not found.allows(found.url):
            remedy = "write https://, or set ops_manager.plaintext where nobody else can read or change what goes there"
            raise bad_option("ops_manager.url to be https:// on another machine", "http://", remedy)
        return found

    def allows(self, url: str) -> bool:
        """Say whether an address may be opened: by TLS, on this machine, or where somebody wants it otherwise."""
        parts = urlsplit(url)
        return parts.scheme == "https" or self.plaintext or is_local(parts.hostname or "")


def _demand_address(url: str, option: str) -> SplitResult:
    """Split a URL. None of it is ever printed before it is known to hold no password."""
    expected = f"{option} to be http:// or https:// with a host"
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise bad_option(expected, "something else", "write it like https://opsmanager.example.com:8443")
    return parts


def _base(url: str) -> str:
    parts = _demand_address(url, "ops_manager.url")
    remedy = "write it like https://cloud.mongodb.com"
    if "@" in parts.netloc:
        remedy = "give the key pair in ops_manager.public_key and ops_manager.private_key"
        raise bad_option("ops_manager.url without credentials", "some", remedy)
    if parts.query or parts.fragment or "/api/public" in parts.path:
        raise bad_option("ops_manager.url without the path of the API, which is added", url, remedy)
    return url.rstrip("/")


class _NoRedirect(request.HTTPRedirectHandler):
    """Leaves a redirect to the caller: the key may not be meant for the server that it points to."""

    def redirect_request(self, *_arguments: Any) -> None:
        """Follow none."""


class _ByProxy(request.BaseHandler):
    """Sends every request by one proxy, redirected ones too. The one of urllib would let no_proxy of the environment win."""

    handler_order = 100  # before the handler that writes the headers

    def __init__(self, proxy: str) -> None:
        self._proxy = urlsplit(proxy)

    def http_request(self, asked: request.Request) -> request.Request:
        """Turn a request to the proxy."""
        if self._proxy.username is not None:
            pair = f"{unquote(self._proxy.username)}:{unquote(self._proxy.password or '')}"
            word = base64.b64encode(pair.encode()).decode()
            asked.add_unredirected_header("Proxy-Authorization", f"Basic {word}")
        asked.set_proxy(self._proxy.netloc.rpartition("@")[2], self._proxy.scheme)
        return asked

    https_request = http_request


def opener(connection: Connection, redirects: request.HTTPRedirectHandler) -> request.OpenerDirector:
    """Return what opens addresses by the proxy and with the certificates of a connection. Raises FixInput for bad files."""
    handlers: list[request.BaseHandler] = [redirects, request.HTTPSHandler(context=_context(connection))]
    if connection.proxy:
        handlers += [request.ProxyHandler({}), _ByProxy(connection.proxy)]
    return request.build_opener(*handlers)


@dataclass(frozen=True)
class Reply:
    """What came back, whatever the status."""

    status: int
    reason: str
    headers: Message
    body: bytes


class Transport:
    """Sends single requests. Raises OSError and http.client.HTTPException where there is no answer."""

    def __init__(self, connection: Connection) -> None:
        self._opener = opener(connection, _NoRedirect())

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float) -> Reply:
        """Send one request and return what came back."""
        # The scheme of the URL was checked with the option.
        asked = request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310
        try:
            with self._opener.open(asked, timeout=timeout) as answer:
                return Reply(answer.status, answer.reason or "", answer.headers, _body(answer))
        except error.HTTPError as refused:
            with refused:
                return Reply(refused.code, str(refused.reason or ""), refused.headers, _body(refused))


def _body(answer: Any) -> bytes:
    found = bytes(answer.read(MOST_BODY_BYTES + 1))
    if len(found) > MOST_BODY_BYTES:
        raise TooLarge(f"more than {MOST_BODY_BYTES} bytes")
    return found


def _context(connection: Connection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=connection.ca_file)
        if connection.client_certificate_file:
            context.load_cert_chain(connection.client_certificate_file, connection.client_key_file)
    except OSError as wrong:
        files = (connection.ca_file, connection.client_certificate_file, connection.client_key_file)
        named = ", ".join(name for name in files if name)
        expected = f"certificates and keys in PEM that can be read ({named})"
        remedy = (
            "correct ca_file, client_certificate_file and client_key_file of ops_manager, on the host of the module"
        )
        raise bad_option(expected, str(wrong.strerror or wrong.args[-1]), remedy) from None
    if not connection.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
