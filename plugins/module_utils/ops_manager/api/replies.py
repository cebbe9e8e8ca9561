# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an HTTP answer says beside its JSON: pages, dates, how long to wait, and what a proxy has written. Pure."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from .transport import Reply

#: What is raised before a connection has come about.
NO_CONNECTION = (ConnectionRefusedError, socket.gaierror)

#: How long a server that is asked too often wants to be left alone when it does not say so.
_LEFT_ALONE = 60.0

_QUOTED = 100


def entries(page: Any) -> list[dict[str, Any]] | None:
    """Return the entries of a page, or of an array without pages; None where it is neither."""
    found = page.get("results") if isinstance(page, dict) else page
    if not isinstance(found, list):
        return None
    return [entry for entry in found if isinstance(entry, dict)]


def has_more(page: Any, seen: int, full: bool) -> bool:
    """Say whether there is another page after this one; `full` is whether it holds as much as was asked for."""
    if not isinstance(page, Mapping):
        return False
    links = page.get("links") or []
    if any(isinstance(link, Mapping) and link.get("rel") == "next" for link in links):
        return True
    total = page.get("totalCount")
    if isinstance(total, int) and total > 0:
        return seen < total and bool(page.get("results"))
    return full


def date_of(reply: Reply) -> datetime | None:
    """Return when the server has answered, by its own clock."""
    return _date(reply.headers.get("Date"))


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text or "")
    except (TypeError, ValueError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def retry_after(reply: Reply) -> float | None:
    """Return how many seconds the server wants to be left alone; None where it does not say so and need not."""
    said = (reply.headers.get("Retry-After") or "").strip()
    if said.isdecimal():
        return float(said)
    until = _date(said)
    if until is not None:
        now = date_of(reply) or datetime.now(timezone.utc)
        return max((until - now).total_seconds(), 0.0)
    return _LEFT_ALONE if reply.status == 429 else None


def error_body(body: bytes) -> dict[str, str]:
    """Return what the API says about an error, as text; empty where it was not the API that has answered."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    names = ("errorCode", "reason", "detail")
    return {name: str(found[name]) for name in names if found.get(name)} if isinstance(found, dict) else {}


def quoted(body: bytes) -> str:
    """Return the beginning of what should have been JSON, as far as it can be printed."""
    text = body[: 8 * _QUOTED].decode("utf-8", "replace")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_QUOTED]


def redirect_remedy(reply: Reply) -> str:
    """Return what to do about a redirect, which is never followed; empty where it is none."""
    if not 300 <= reply.status < 400:
        return ""
    parts = urlsplit(reply.headers.get("Location") or "")
    there = f"{parts.scheme}://{parts.hostname}" if parts.scheme and parts.hostname else "where it leads to"
    return f"set ops_manager.url to {there} if that is Ops Manager: a redirect is not followed with the key"
