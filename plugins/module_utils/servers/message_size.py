# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How large an answer may be: the driver takes one of any size that the server itself has announced."""

from __future__ import annotations

from typing import Any

try:
    from pymongo.errors import ProtocolError
    from pymongo.hello import Hello
except ImportError:
    pass  # `connection.HAS_PYMONGO` says so

#: The largest message of every version of MongoDB.
MOST_BYTES = 48_000_000

#: What the driver's error begins with; `driver_errors` knows it.
TOO_LARGE = "expected messages of at most"


def bound_messages() -> None:
    """Let the driver refuse a server that announces larger messages. It has no option for that."""
    Hello.max_message_size = property(_bounded)  # type: ignore[assignment,method-assign]


def _bounded(hello: Any) -> int:
    found = int(hello.document.get("maxMessageSizeBytes", MOST_BYTES))
    if found > MOST_BYTES:
        raise ProtocolError(f"{TOO_LARGE} {MOST_BYTES} bytes, found a server that announces {found}")
    return found
