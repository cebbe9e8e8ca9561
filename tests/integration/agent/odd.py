"""Documents that no driver would write: strings that are no UTF-8, fields of the same name, types that nobody should use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument

from backup_agent.raw.assembly import Element, Value, assemble
from backup_agent.values import RAW

NO_UTF_8 = "¤"
"""Stands in strings and names for two bytes that are no UTF-8."""
AGAIN = "~"
"""At the end of a name it says that the document has the name without it, too."""
_EMBEDDED, _ARRAY = 3, 4


@dataclass(frozen=True)
class Old:
    """A value of a deprecated type, by the number of the type and its bytes."""

    kind: int
    data: bytes


UNDEFINED, SYMBOL = Old(6, b""), Old(14, b"\x02\0\0\0s\0")
POINTER = Old(12, b"\x04\0\0\0a.b\0" + bytes(range(12)))


def raw(document: Mapping[str, Any]) -> RawBSONDocument:
    """Return what a document of a program, or of a test, is on the wire."""
    return RawBSONDocument(assemble(_elements(document)), RAW)


def _elements(document: Mapping[str, Any]) -> Iterator[Element]:
    for name, value in document.items():
        yield _bytes(name.removesuffix(AGAIN)), _value(value)


def _value(value: Any) -> Value:
    if isinstance(value, Old):
        return value.kind, value.data
    if isinstance(value, Mapping):
        return _EMBEDDED, assemble(_elements(value))
    if isinstance(value, (list, tuple)):
        return _ARRAY, assemble(_elements({str(number): one for number, one in enumerate(value)}))
    encoded = bson.encode({"": value})  # length, type, an empty name; a zero at the end
    data = encoded[6:-1]
    return encoded[4], _bytes_of(data) if isinstance(value, str) else data


def _bytes(text: str) -> bytes:
    return _bytes_of(text.encode())


def _bytes_of(data: bytes) -> bytes:
    return data.replace(NO_UTF_8.encode(), b"\xff\xfe")
