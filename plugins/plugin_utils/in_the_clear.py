# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which connections to a source could be read on the way. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, unquote

_URI = re.compile(r"mongodb(?P<srv>\+srv)?://(?:[^@/]*@)?(?P<hosts>[^/?]*)(?:/[^?]*)?(?:\?(?P<options>.*))?\Z")


def in_the_clear(uri: str, tls: Any) -> str:
    """Return the first address of a URI on another machine that would be reached without TLS, or nothing.

    `tls` is what is set beside the URI; any value switches TLS on. What is no URI is its own answer.
    """
    found = _URI.match(uri)
    if found is None:
        return uri
    options = {name.lower(): value.lower() for name, value in parse_qsl(found["options"] or "")}
    said = options.get("tls", options.get("ssl", "true" if found["srv"] else "false"))
    if tls or said == "true":
        return ""
    return next((host for host in found["hosts"].split(",") if not _is_local(host)), "")


def _is_local(address: str) -> bool:
    host = unquote(address)
    if host.startswith("/"):
        return True
    host = re.sub(r":\d*\Z", "", host).strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
