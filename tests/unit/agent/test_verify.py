"""The schedule of the verification, and slices that are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.slices import SliceWriter, files
from backup_agent.verify import check_slices, next_part


@pytest.mark.parametrize(
    ("expected", "last", "parts"),
    [
        (1, None, 14),
        (2, {"part": 1, "parts": 14}, 14),
        (1, {"part": 14, "parts": 14}, 14),
        (3, {"part": 3, "parts": 14, "damaged": True}, 14),
        (4, {"part": 3, "parts": 14, "damaged": False}, 14),
        (4, {"part": 10, "parts": 14, "damaged": True}, 7),
        (1, {"part": 1, "parts": 1, "damaged": True}, 1),
    ],
)
def test_a_part_each_time_and_a_damaged_one_again(expected: int, last: dict[str, Any] | None, parts: int) -> None:
    """All of it is read in turn; an alert is closed by reading the damaged part well, not by reading another."""
    assert expected == next_part(last, parts)


def written(directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Write three slices of one entry each."""
    monkeypatch.setattr("backup_agent.slices.SLICE_BYTES", 1)
    writer = SliceWriter(directory, 1)
    for second in (10, 20, 30):
        entry = RawBSONDocument(bson.encode({"ts": Timestamp(second, 1), "t": 1, "op": "n", "o": {"msg": "x" * 100}}))
        writer.append(entry.raw, entry, entry)
    writer.close()
    return files(directory)


def test_whole_slices_are_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are read, and follow each other."""
    written(tmp_path, monkeypatch)
    assert {"slices": 3, "problems": []} == check_slices(tmp_path)


def test_a_flipped_byte_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checksum of the frame finds it; the slice is named."""
    first = written(tmp_path, monkeypatch)[0]
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    (problem,) = check_slices(tmp_path)["problems"]
    assert first.name in problem


def test_a_missing_slice_is_named_by_the_one_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap is never taken for a chain."""
    slices = written(tmp_path, monkeypatch)
    slices[1].unlink()
    (problem,) = check_slices(tmp_path)["problems"]
    assert f"{slices[2].name}: expected it to follow the slice before it" in problem


def test_the_newest_may_be_torn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is being written while it is read."""
    newest = written(tmp_path, monkeypatch)[-1]
    newest.write_bytes(newest.read_bytes()[:-5])
    assert [] == check_slices(tmp_path)["problems"]
