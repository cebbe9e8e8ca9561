# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer says beside its JSON."""

from __future__ import annotations

from email.message import Message
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api import replies
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.transport import Reply


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return Reply(status, "", message, body)


@pytest.mark.parametrize(
    ("expected", "page", "seen", "full"),
    [
        (True, {"results": [1], "links": [{"rel": "next"}], "totalCount": 1}, 1, False),
        (True, {"results": [1], "totalCount": 2}, 1, False),
        (False, {"results": [1], "totalCount": 1}, 1, True),
        (False, {"results": [], "totalCount": 5}, 1, False),
        (True, {"results": [1]}, 100, True),
        (False, {"results": [1]}, 1, False),
        (False, [1, 2], 2, True),
    ],
)
def test_has_more(expected: bool, page: Any, seen: int, full: bool) -> None:
    """The link, else the count, else whether the page is full."""
    assert expected is replies.has_more(page, seen, full)


@pytest.mark.parametrize(("expected", "page"), [([], {"results": []}), ([{}], [{}, 1]), (None, {}), (None, "x")])
def test_entries(expected: Any, page: Any) -> None:
    """What is no list is not taken for an empty one."""
    assert expected == replies.entries(page)


@pytest.mark.parametrize(
    ("expected", "status", "headers"),
    [
        (7.0, 503, {"Retry_After": "7"}),
        (30.0, 429, {"Retry_After": "Thu, 01 Jan 2026 00:00:30 GMT", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}),
        (0.0, 429, {"Retry_After": "Thu, 01 Jan 2026 00:00:00 GMT"}),
        (60.0, 429, {}),
        (60.0, 429, {"Retry_After": "soon"}),
        (None, 503, {}),
    ],
)
def test_retry_after(expected: float | None, status: int, headers: dict[str, str]) -> None:
    """A date counts by the server's clock, not by this host's."""
    assert expected == replies.retry_after(reply(status, **headers))


def test_date() -> None:
    """A date that cannot be read is none."""
    assert replies.date_of(reply(Date="yesterday")) is None
    found = replies.date_of(reply(Date="Thu, 01 Jan 2026 00:00:30 GMT"))
    assert found is not None
    assert "2026-01-01T00:00:30+00:00" == found.isoformat()


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b""])
def test_error_body_of_others(body: bytes) -> None:
    """An answer that is not of the API says nothing in its words."""
    assert {} == replies.error_body(body)


def test_quoted() -> None:
    """One short line of what can be printed."""
    assert "a b�" == replies.quoted(b"a\r\n\x1b b\xff")
    assert 100 == len(replies.quoted(b"x" * 5000))


def test_redirect_remedy() -> None:
    """Names the host and nothing else of the address, which may hold anything."""
    said = replies.redirect_remedy(reply(301, Location="https://other.example.com/login?token=1"))
    assert "https://other.example.com if" in said
    assert "token" not in said
    assert "" == replies.redirect_remedy(reply(404))
