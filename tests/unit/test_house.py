# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long and how deep the product's Python may be, and what its patterns end with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES, FUNCTION_LINES, NESTING = 400, 60, 3
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)
MODULES = sorted(
    path.relative_to(ROOT)
    for part in ("agent/src", "plugins", "lab", "benchmarks")
    for path in (ROOT / part).rglob("*.py")
)


def nesting(node: ast.AST) -> int:
    """Return how many blocks lie in each other; an `elif` counts as a block inside of the `if` before it."""
    return max((isinstance(child, BLOCKS) + nesting(child) for child in ast.iter_child_nodes(node)), default=0)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield every function and method."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_can_be_read(module: Path) -> None:
    """A file has at most 400 lines of text, a function at most 60, and its blocks lie at most three deep in each other."""
    text = (ROOT / module).read_text()
    assert sum(1 for line in text.splitlines() if line.strip()) <= FILE_LINES
    for function in functions(ast.parse(text)):
        assert nesting(function) <= NESTING, function.name
        assert (function.end_lineno or 0) - function.lineno < FUNCTION_LINES, function.name


ENDS_EARLY = re.compile(r"""(match|search|regex\w*|re\.\w+)['(].*[^\\]\$['"]""")
TEXTS = sorted(
    path.relative_to(ROOT)
    for part in ("agent/src", "plugins", "roles", "playbooks")
    for path in (ROOT / part).rglob("*")
    if path.suffix in (".py", ".yml", ".j2")
)


def test_no_pattern_lets_a_newline_through() -> None:
    """With `$` at its end a pattern also takes a text with a newline behind it; with an end that is one it does not."""
    assert ENDS_EARLY.search("""that: backup_job is match('^[a-z]+$')""")
    assert ENDS_EARLY.search("""NAME = re.compile(r"^[a-z]+$")""")
    lines = ((text, line) for text in TEXTS for line in (ROOT / text).read_text().splitlines())
    assert [] == [(text, line) for text, line in lines if ENDS_EARLY.search(line)]
