"""A plugin of pytest: the longest files come first, so that no worker begins one when the others have nothing left to do."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Seconds and path of each file, written by `bin/test durations`.
FILE = Path(__file__).with_name("order.txt")


def seconds_of_files(text: str) -> dict[Path, float]:
    """Return the seconds of each file that is written down."""
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return {ROOT / path: float(seconds) for seconds, path in pairs}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests by their files; one that nobody measured yet is begun at once."""
    known = seconds_of_files(FILE.read_text())
    items.sort(key=lambda item: -known.get(item.path, math.inf))
