"""Made-up agents: their edits follow the source, which is seen before a release builds them."""

from __future__ import annotations

import pytest

from lab.wheels import AGENT, FOLLOWS_NOTHING, NEVER_UP, NEXT_SCHEMA, edited, speaks

EDITS = {**FOLLOWS_NOTHING, **NEVER_UP, **NEXT_SCHEMA, **speaks(9)}


@pytest.mark.parametrize("name", EDITS)
def test_what_is_edited_is_in_the_source(name: str) -> None:
    """The result differs, and is a module of Python."""
    path = AGENT / "src/backup_agent" / name
    text = edited(path, *EDITS[name])
    assert text != path.read_text()
    compile(text, name, "exec")


def test_an_edit_that_finds_nothing_is_an_error() -> None:
    """Or a test would try the agent as it is, and pass."""
    with pytest.raises(ValueError, match="follow the source"):
        edited(AGENT / "src/backup_agent/head.py", "no such text", "")
