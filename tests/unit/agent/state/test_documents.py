"""Words that stand for documents."""

from __future__ import annotations

import json
from pathlib import Path

import bson
import pytest

from backup_agent.state import documents
from backup_agent.state.documents import FILE, noted, shown
from backup_agent.values import RAW


def test_a_document_has_one_word_and_its_id_is_in_the_file(tmp_path: Path) -> None:
    """The file is for the agent's account alone; a word tells nothing of the document."""
    word = noted(tmp_path, "shop.people", '"anna@example.com"')
    assert word == noted(tmp_path, "shop.people", '"anna@example.com"')
    assert word != noted(tmp_path, "shop.others", '"anna@example.com"')
    lines = [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()]
    assert [("shop.people", '"anna@example.com"'), ("shop.others", '"anna@example.com"')] == [
        (line["namespace"], line["_id"]) for line in lines
    ]
    assert word == f"{lines[0]['word']} of {FILE}"
    assert 0o600 == (tmp_path / FILE).stat().st_mode & 0o777


def test_the_file_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one before it is kept."""
    monkeypatch.setattr(documents, "MOST_BYTES", 500)
    for number in range(50):
        noted(tmp_path, "shop.people", str(number))
    assert {FILE, "documents.old"} == {path.name for path in tmp_path.iterdir()}
    assert all(path.stat().st_size < 700 for path in tmp_path.iterdir())


def test_what_a_crash_has_torn_is_passed_over(tmp_path: Path) -> None:
    """And a full disk, or a link in the place of the file, keeps no message from being given."""
    (tmp_path / FILE).write_text('{"word": "a", "name')
    assert noted(tmp_path, "a.b", "1").endswith(FILE)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    assert documents.UNNOTED == noted(tmp_path, "a.b", "1")
    assert not (tmp_path / "elsewhere").exists()


def test_ids_are_shown_as_json_and_cut() -> None:
    """Also with a date after the year 9999, which Python lacks."""
    assert '{"a": 1}' == shown(bson.decode(bson.encode({"_id": {"a": 1}}), RAW)["_id"])
    assert documents.SHOWN_ID_CHARACTERS == len(shown("x" * 5000))
    assert str(10**15) in shown(bson.decode(bson.encode({"_id": bson.DatetimeMS(10**15)}), RAW)["_id"])
