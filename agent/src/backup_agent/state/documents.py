"""Documents that a message is about: it has a word that stands for the `_id`, because an `_id` can be somebody's name.

Which document a word stands for is in a file of the job's directory, which only the agent's account and root can read.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bson.json_util import RELAXED_JSON_OPTIONS, dumps

from backup_agent.times import now_iso

FILE = "documents.jsonl"
MOST_BYTES = 1024 * 1024
SHOWN_ID_CHARACTERS = 1000
UNNOTED = "(not noted)"


def shown(identity: Any) -> str:
    """Return an `_id` as people read it, shortened."""
    text = dumps(identity, json_options=RELAXED_JSON_OPTIONS)
    return text if len(text) <= SHOWN_ID_CHARACTERS else text[: SHOWN_ID_CHARACTERS - 1] + "…"


def noted(directory: Path, namespace: str, shown_id: str) -> str:
    """Return what a message calls a document, the same each time; which one it is, is noted in the directory's file."""
    path = directory / FILE
    with contextlib.suppress(OSError):
        for line in _lines(path):
            if (line.get("namespace"), line.get("_id")) == (namespace, shown_id):
                return f"{line['word']} of {FILE}"
        word = secrets.token_hex(6)
        _add(path, {"word": word, "namespace": namespace, "_id": shown_id, "at": now_iso()})
        return f"{word} of {FILE}"
    return UNNOTED  # the disk is full


def _lines(path: Path) -> Iterator[dict[str, str]]:
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError):  # torn by a crash
            yield json.loads(line)


def _add(path: Path, line: dict[str, str]) -> None:
    """Append a line; a file that has grown large begins anew, and the one before it is kept."""
    if path.exists() and path.stat().st_size > MOST_BYTES:
        path.replace(path.with_suffix(".old"))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
