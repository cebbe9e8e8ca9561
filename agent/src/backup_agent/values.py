"""The kinds of values that every room of the agent handles."""

from __future__ import annotations

import errno
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.errors import ProtocolError
from pymongo.hello import Hello

from backup_agent.times import timestamp_from_json, timestamp_json

Json = dict[str, Any]
"""An object of JSON: what the command line prints, what the state and the repository store."""

Document = dict[str, Any]
"""A document of a server: types of BSON are in it."""

Client = MongoClient[Document]
"""A client whose documents are dictionaries."""

MOST_MESSAGE_BYTES = 48_000_000
"""The largest message of every version of MongoDB. The driver takes one of any size that a server has announced."""


def _bounded(hello: Hello[Any]) -> int:
    """Return the size of messages that a server announces. Raises ProtocolError for more than any MongoDB does."""
    found = int(hello.document.get("maxMessageSizeBytes", MOST_MESSAGE_BYTES))
    if found > MOST_MESSAGE_BYTES:
        raise ProtocolError(
            f"expected messages of at most {MOST_MESSAGE_BYTES} bytes, found a server that announces {found}"
        )
    return found


Hello.max_message_size = property(_bounded)  # type: ignore[assignment,method-assign]  # the driver has no option for it

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="surrogateescape",
)
"""Only the top level is decoded, and only when asked for. A date beyond the years of Python's calendar is kept as a number.

Servers do not check strings: one that is not UTF-8 can be looked at too. It cannot be encoded again: what is written stays bytes.
"""

REPLIES: CodecOptions[dict[str, Any]] = CodecOptions(unicode_decode_error_handler="backslashreplace")
"""For replies that are shown and never written: what an error quotes, or the tag of a member, may not be UTF-8."""

TOLERANT: CodecOptions[dict[str, Any]] = REPLIES.with_options(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
"""For what is read to be shown or named, whatever somebody has stored there; it is never written back."""


_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control characters, those that only change how others are shown, and line separators."""


def printable(text: str) -> str:
    """Return a text in which every character that acts on a terminal is written out, as in `\\x1b`.

    Names come from the source: one could clear the screen otherwise, or begin a line that looks like one of ours.
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _ACTING else c for c in text)


def text_of(path: Path, most_bytes: int) -> str:
    """Return the text of a file that somebody else may have written. Raises OSError for one that is larger, ValueError."""
    with open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"more than {most_bytes} bytes", str(path))
    return content.decode("utf-8")


class Record:
    """A base of dataclasses with slots that are stored or shown as JSON: how all of them are written and read.

    The slots of a record are its fields, so a record is not the base of another one.
    """

    __slots__: tuple[str, ...] = ()
    DERIVED: ClassVar[tuple[str, ...]] = ()
    """Properties that its JSON shows after its fields."""

    SPARSE: ClassVar[bool] = False
    """Whether its JSON leaves out what is None."""

    PARTS: ClassVar[Mapping[str, type[Record]]] = {}
    """The records in its fields, each one alone or several in a tuple."""

    def to_json(self) -> Json:
        """Return it as JSON, with all that is in it."""
        found = {name: to_json(getattr(self, name)) for name in (*self.__slots__, *self.DERIVED)}
        return {name: value for name, value in found.items() if value is not None or not self.SPARSE}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned. What is missing there is as the record has it by default."""
        return cls(**{name: _read(value[name], cls.PARTS.get(name)) for name in cls.__slots__ if name in value})


@dataclass(frozen=True, slots=True)
class Check(Record):
    """A thing that was looked at: what was found, and what to do when it is not in order."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def to_json(value: Any) -> Any:
    """Return a value as JSON, with the records and timestamps that are anywhere in it."""
    if value is None or isinstance(value, (str, int, float)):  # most values are, and a sync has many
        return value
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, Timestamp):
        return timestamp_json(value)
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, (list, tuple)) else value


def _read(value: Any, part: type[Record] | None) -> Any:
    if isinstance(value, list):
        return tuple(_read(item, part) for item in value)
    if part is not None and value is not None:
        return part.from_json(value)
    is_timestamp = isinstance(value, dict) and value.keys() == {"time", "increment", "iso"}
    return timestamp_from_json(value) if is_timestamp else value
