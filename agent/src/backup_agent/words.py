"""How an error is told where others read it: the server quotes documents and keys in what it says, and those stay out.

Every text that becomes a message, an alert, a line of the journal or a part of a report comes through here. What stays is what
the server says before it quotes, its code, and the names of collections, indexes and fields.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from backup_agent.errors import AgentError

_CAUSE = " :: caused by :: "
_DUPLICATE, _KEY = "E11000 duplicate key error", " dup key:"
_QUOTES = re.compile(r"""\s*(?:(?<!:):(?!:)|[={}"\[\]()<>]|(?<!\w)'|\s-?\d).*""", re.DOTALL)
"""From where on a server may quote: behind a colon, a bracket or a quotation mark, or with a number."""

NO_TEXT = (
    "its answer is not UTF-8, which the driver needs; correct its tags: rs.conf() shows them, rs.reconfig() sets them"
)
"""Of a member that no connection is made to. Its first answer has its tags, which can be any bytes."""

Raised = tuple[type[BaseException], BaseException, TracebackType | None]


def without_values(text: str) -> str:
    """Return the words of a server up to where it quotes what somebody has stored. Pure; it changes its own results no more."""
    text = text.partition(", full error:")[0]
    if _DUPLICATE in text:
        return text.partition(_KEY)[0]
    return _CAUSE.join(_QUOTES.sub("", part) for part in text.split(_CAUSE))


def told(found: Mapping[str, Any]) -> str:
    """Return what a server says in a reply, or in one of its errors of writing: its words without values, code and key. Pure."""
    code = " ".join(str(found[name]) for name in ("code", "codeName") if found.get(name) is not None)
    key = ", ".join(map(str, found.get("keyPattern") or ()))
    behind = "; ".join(filter(None, [f"code {code}" if code else "", f"key {key}" if key else ""]))
    return without_values(str(found.get("errmsg", ""))) + (f" ({behind})" if behind else "")


def logged(line: str) -> str:
    """Return what a line of a mongod's log says: its fixed text, and where in the server. Pure."""
    try:
        found = json.loads(line)
        details = found.get("attr") or {}
        where = [str(details[name]) for name in ("expr", "file", "line") if name in details]
        why = [without_values(str(details["error"]))] if "error" in details else []
        return ", ".join([str(found["msg"]), *where, *why])
    except (ValueError, KeyError, TypeError, AttributeError):
        return without_values(line)  # not of a mongod that this was made for, or cut


def words(error: BaseException) -> str:
    """Return what an error says without what it quotes; of one that nobody foresaw where it came up."""
    if isinstance(error, AgentError):
        return error.message
    if isinstance(error, OperationFailure):
        return told({"errmsg": str(error), "code": error.code, **(error.details or {})})
    if isinstance(error, PyMongoError) and "codec can't decode" in str(error):
        return NO_TEXT
    if isinstance(error, (PyMongoError, OSError)):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def traced(exc_info: Raised) -> str:
    """Return where an error came from, and those that it came of."""
    lines: list[str] = []
    for error in reversed(list(_chain(exc_info[1]))):
        lines += [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}: {words(error)}\n"]
    return "".join(lines)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
