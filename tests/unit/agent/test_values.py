"""What is read of a file that somebody else may have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_agent.values import text_of


def test_a_text_is_read_as_far_as_it_may_be(tmp_path: Path) -> None:
    """A larger file is an error of the file, not one of memory."""
    path = tmp_path / "a"
    path.write_text("é" * 10)
    assert "é" * 10 == text_of(path, 20)
    with pytest.raises(OSError, match="more than 19 bytes"):
        text_of(path, 19)
    path.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        text_of(path, 19)
