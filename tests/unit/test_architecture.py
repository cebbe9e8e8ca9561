"""The picture of the agent's rooms in docs/architecture.md is that of the files, and of the contract about imports."""

from __future__ import annotations

import re
from pathlib import Path

import tomllib

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "agent" / "src" / "backup_agent"


def picture() -> list[set[str]]:
    """Return the rooms of each line of the picture, from above."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    inside = page[page.index("## Inside the agent") :]
    block = re.search(r"```text\n(.*?)```", inside, re.DOTALL)
    assert block is not None
    return [set(line.split("  ")[0].split(" | ")) for line in block[1].splitlines()]


def test_every_room_is_in_the_picture_once() -> None:
    """Packages, and the modules on the ground; the way in is none."""
    packages = {path.parent.name for path in AGENT.glob("*/__init__.py")}
    ground = {path.stem for path in AGENT.glob("*.py")} - {"__init__", "__main__"}
    drawn = [room for line in picture() for room in line]
    assert sorted(packages | ground) == sorted(drawn)


def test_the_order_is_that_which_imports_are_held_to() -> None:
    """The contract of import-linter has the same layers."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (rooms,) = [c for c in settings["tool"]["importlinter"]["contracts"] if c["id"] == "rooms"]
    assert picture() == [set(layer.split(" | ")) for layer in rooms["layers"]]
    assert rooms["exhaustive"]
