# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where nobody logs in: what could be read on the way, and hosts that are not among those that were named. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, unquote

from .errors import sentence

_URI = re.compile(r"mongodb(?P<srv>\+srv)?://(?:[^@/]*@)?(?P<hosts>[^/?]*)(?:/[^?]*)?(?:\?(?P<options>.*))?\Z")

_FILES = ("tlscafile", "tlscertificatekeyfile", "tlscrlfile")


def in_the_clear(uri: str, tls: Any) -> str:
    """Return the first address of a URI on another machine that would be reached without TLS, or nothing.

    `tls` is what is set beside the URI; any value switches TLS on. What is no URI is its own answer.
    """
    if tls or says_tls(uri):
        return ""
    found = _URI.match(uri)
    named = found["hosts"].split(",") if found is not None else [uri]
    return next((host for host in named if not is_local(host)), "")


def says_tls(uri: str, given: Mapping[str, Any] | None = None) -> bool:
    """Say whether a connection is one of TLS: by a URI, and by what is given beside it, which counts for more.

    The driver takes a file of certificates for a wish for TLS as well.
    """
    found = _URI.match(uri)
    options = dict(parse_qsl(found["options"] or "")) if found is not None else {}
    options = {name.lower(): value for name, value in [*options.items(), *(given or {}).items()]}
    said = options.get("tls", options.get("ssl"))
    if said is not None:
        return str(said).lower() == "true"
    return bool((found is not None and found["srv"]) or any(map(options.get, _FILES)))


def addresses(uri: str) -> list[str]:
    """Return the addresses that a URI names; none where a name server is asked for them."""
    found = _URI.match(uri)
    return found["hosts"].split(",") if found is not None and not found["srv"] else []


def is_local(address: str) -> bool:
    """Say whether a connection to an address stays on this machine: to loopback, or to a socket."""
    host = unquote(address)
    if host.startswith("/"):
        return True
    host = _host(host)
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _host(address: str) -> str:
    bare = address.count(":") > 1 and not address.startswith("[")  # an address of IPv6 without a port
    return (address if bare else re.sub(r":\d*\Z", "", address)).strip("[]")


@dataclass(frozen=True)
class Trust:
    """Where one may log in."""

    tls: bool
    plaintext: bool = False
    #: Patterns; without any, every host is among them.
    hosts: Sequence[str] = ()

    def why_not(self, address: str) -> str:
        """Return why nobody logs in at an address, whoever named it; nothing where one may."""
        host = _host(address).lower()
        if self.hosts and not any(fnmatchcase(host, pattern.lower()) for pattern in self.hosts):
            expected = f"a member at one of {', '.join(self.hosts)} (hosts)"
            return sentence(expected=expected, found=address, remedy="see who named it, or add its host")
        if self.tls or self.plaintext or is_local(address):
            return ""
        remedy = "set tls, or plaintext=true where nobody else can read or change what goes over this network"
        return sentence(expected=f"TLS on the way to {address}", found="none", remedy=remedy)
