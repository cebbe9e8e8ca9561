# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about what is known of Ops Manager is about the code as it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tables import ROOT, rows

PAGE = "ops-manager-evidence.md"
CLAIMS = rows(PAGE, "claim")
MARKS = {row["mark"] for row in rows(PAGE, "mark")}
UTILS = ROOT / "plugins/module_utils"
SOURCES = [
    *sorted((UTILS / "ops_manager").rglob("*.py")),
    UTILS / "providers/ops_manager.py",
    ROOT / "plugins/plugin_utils/managed_jobs.py",
]
NAME = re.compile(r"[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*")
#: Of HTTP, and what the code says of a state that the product does not tell.
OWN = {"GET", "POST", "PATCH", "DELETE", "UNKNOWN"}


def names_of(path: Path) -> set[str]:
    """Return the states, events, alerts, metrics and error codes of the product in a file: all its strings in capitals."""
    strings = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    return {text for text in strings if isinstance(text, str) and NAME.fullmatch(text)} - OWN


def symbols(tree: ast.Module) -> Iterator[str]:
    """Yield what a module and its classes define."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef))
        yield from (one.id for one in ast.walk(node) if isinstance(node, (ast.Assign, ast.AnnAssign)) and is_set(one))


def is_set(node: ast.AST) -> bool:
    """Whether something is the name that an assignment gives a value."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def file_of(name: str) -> Path:
    """Return the file of a name in the column `code`."""
    found = (*(UTILS / "ops_manager").glob(f"*/{name}"), UTILS / name, ROOT / "plugins" / name)
    return next((path for path in found if path.is_file()), UTILS / name)


@pytest.mark.parametrize("row", CLAIMS, ids=lambda row: row["claim"][:40])
class TestClaim:
    def test_has_a_mark(self, row: dict[str, str]) -> None:
        """A claim without one would pass for certain."""
        assert row["mark"] in MARKS

    def test_says_where_it_is_from_and_what_follows(self, row: dict[str, str]) -> None:
        """A reader who doubts a claim can look it up, and sees what depends on it."""
        assert row["claim"]
        assert row["source"]
        assert row["what we do because of it"]

    def test_names_code_that_exists(self, row: dict[str, str]) -> None:
        """A row about code that was renamed or removed is detected."""
        file, _colon, symbol = row["code"].strip("`").partition(":")
        assert symbol in set(symbols(ast.parse(file_of(file).read_text())))

    def test_names_a_switch_that_exists(self, row: dict[str, str]) -> None:
        """What is said to be tried both ways can be."""
        assert set() == set(re.findall(r"`(\w+)`", row["switch"])) - switches()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_name_of_the_product_is_accounted_for(path: Path) -> None:
    """No state, event, alert, metric or error code is relied on without saying how well it is known."""
    told = set(NAME.findall(" ".join(cell for row in CLAIMS for cell in row.values())))
    assert set() == names_of(path) - told


def test_names_are_found() -> None:
    """A collector that finds nothing would let everything pass."""
    assert {"STARTED", "RESYNC_REQUIRED", "CANNOT_MODIFY_SHARD_BACKUP_CONFIG", "OPLOG_MASTER_TIME"} <= set().union(
        *map(names_of, SOURCES)
    )


def test_every_switch_of_the_emulator_has_a_claim() -> None:
    """What the emulator can do in two ways is what is not certain."""
    assert set() == switches() - {name for row in CLAIMS for name in re.findall(r"`(\w+)`", row["switch"])}


def test_unknown_says_what_happens_in_each_case() -> None:
    """What nobody has documented is either one or the other, and neither may be a surprise."""
    assert [] == [row["claim"] for row in CLAIMS if row["mark"] == "unknown" and cases(row) < 2]


def cases(row: dict[str, str]) -> int:
    """Return how many cases a row has an outcome for: each is before a colon."""
    told = row["what we do because of it"]
    return 2 if told.startswith("whichever it is:") else len(re.findall(r"[^:.]+: ", told))


def switches() -> set[str]:
    """Return the names of the emulator's switches, without importing it: it needs a newer Python than these tests."""
    tree = ast.parse((ROOT / "tests/ops_manager/settings.py").read_text())
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Switches")
    return {
        node.target.id for node in found.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
