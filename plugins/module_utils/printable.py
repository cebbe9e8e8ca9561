# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes from other machines is shown on terminals and in logs: it must not be able to act on them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from .errors import GiveUp, sentence

#: Control characters, those that only change how others are shown (such as the order of writing), and line separators.
_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: What may become the name of a file, or an argument of a command.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}\Z")

#: A host by name or number, and its port. None begins like an option of the commands that connect to it.
_ADDRESS = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})|\[[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]{1,15})?\]):[0-9]{1,5}\Z"
)


def printable(value: Any) -> Any:
    """Return a value in whose texts every character that acts on a terminal is written out, as in ``\\x1b``.

    A text could clear the screen otherwise, or begin a line that looks like one of ours.
    """
    if isinstance(value, str):
        return value if value.isprintable() else "".join(map(_shown, value))
    if isinstance(value, dict):
        return {printable(name): printable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    return value


def _shown(character: str) -> str:
    acts = unicodedata.category(character) in _ACTING
    return character.encode("unicode_escape").decode("ascii") if acts else character


def name(value: object, what: str) -> str:
    """Return a name that another machine gave, if it can become the name of a file or an argument of a command.

    Raises GiveUp otherwise; `what` says what it names.
    """
    if isinstance(value, str) and _NAME.match(value):
        return value
    raise not_trusted(f"{what} of letters, digits and _ . : -, that begins with a letter or a digit", value)


def address(value: object, what: str) -> str:
    """Return the address that another machine gave, if it is one of a host and a port. Raises GiveUp otherwise."""
    if isinstance(value, str) and _ADDRESS.match(value):
        return value
    raise not_trusted(f"{what} as HOST:PORT", value)


def identified(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a module in which each id of an operation can be a name. Raises GiveUp otherwise.

    Playbooks give such an id to the next command, and call files by it.
    """
    for key, value in _items(answer):
        if key == "operation" and value:
            name(value if isinstance(value, str) else value.get("id"), "the id of an operation")
    return answer


def _items(value: object) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from _items(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _items(item)


def not_trusted(expected: str, value: object) -> GiveUp:
    """Return the error about a value that another machine gave and that could do harm here."""
    remedy = "do not trust that machine before you know where this comes from"
    return GiveUp(sentence(expected=expected, found=repr(value)[:100], remedy=remedy), code="not_trusted")
