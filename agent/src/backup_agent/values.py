"""The kinds of values that every room of the agent handles."""

from __future__ import annotations

from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

Json = dict[str, Any]
"""An object of JSON: what the command line prints, what the state and the repository store."""

Client = MongoClient[dict[str, Any]]
"""A client whose documents are dictionaries."""

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""Only the top level is decoded, and only when asked for. A date beyond the years of Python's calendar is kept as a number."""
