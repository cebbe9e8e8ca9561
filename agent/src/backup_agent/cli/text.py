"""The same facts as the JSON, for people."""

from __future__ import annotations

from typing import Any

from backup_agent.times import LAST_INCREMENT
from backup_agent.values import printable


def _scalar(value: Any) -> str:
    if isinstance(value, dict) and "iso" in value:
        if value["increment"] == LAST_INCREMENT:
            return str(value["iso"])  # the whole of a second
        return f"{value['iso']}#{value['increment']}"
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def _lines(name: str, value: Any, indent: int) -> list[str]:
    name, pad = printable(name), "  " * indent
    if isinstance(value, dict) and "iso" not in value:
        return [f"{pad}{name}:", *(line for key, item in value.items() for line in _lines(key, item, indent + 1))]
    if isinstance(value, list):
        if not value:
            return [f"{pad}{name}: none"]
        return [f"{pad}{name}:", *(f"{pad}  - {_inline(item)}" for item in value)]
    return [f"{pad}{name}: {_scalar(value)}"]


def _inline(item: Any) -> str:
    if isinstance(item, dict) and "iso" not in item:
        return ", ".join(
            f"{printable(key)} {_scalar(value)}" for key, value in item.items() if value not in (None, "", [])
        )
    return _scalar(item)


def as_text(value: dict[str, Any]) -> str:
    """Return a JSON object of the contract as indented lines."""
    return "\n".join(line for key, item in value.items() if key != "ok" for line in _lines(key, item, 0))
