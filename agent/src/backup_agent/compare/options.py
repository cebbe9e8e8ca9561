"""Options of a collection or an index as they are shown: what an expression compares with can be anybody's data. Pure."""

from __future__ import annotations

import json
from typing import Any

SHOWN_CHARACTERS = 200
PLAIN = frozenset(
    {"key", "weights", "collation", "timeseries", "clusteredIndex", "storageEngine", "changeStreamPreAndPostImages"}
)
"""Options whose parts are names and settings. Those of the others, such as `validator`, may be values of documents."""
_TYPES = (
    "$number",
    "$oid",
    "$date",
    "$binary",
    "$regularExpression",
    "$timestamp",
    "$symbol",
    "$code",
    "$uuid",
    "$dbPointer",
)
"""How the keys begin by which extended JSON tells a value's type."""


def shown(options: str) -> str:
    """Return options, which are canonical JSON, shortened and without the values in their expressions."""
    found = {
        name: part if name in PLAIN or not _nested(part) else _masked(part)
        for name, part in json.loads(options).items()
    }
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _nested(part: Any) -> bool:
    return isinstance(part, (dict, list)) and not _is_value(part)


def _is_value(part: Any) -> bool:
    return isinstance(part, dict) and len(part) == 1 and next(iter(part)).startswith(_TYPES)


def _masked(part: Any) -> Any:
    """Return an expression with its names and operators, and nothing that it compares with."""
    if isinstance(part, dict) and not _is_value(part):
        return {name: _masked(item) for name, item in part.items()}
    return [_masked(item) for item in part] if isinstance(part, list) else "…"
