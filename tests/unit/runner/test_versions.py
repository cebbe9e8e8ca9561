"""The environments of other versions of ansible-core hold what the tests that run there import."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
OWN = {"ansible_collections", "tests"}
#: What comes with another package, by the name of that.
PACKAGES = {
    "ansible": "ansible-core",
    "jinja2": "ansible-core",
    "yaml": "ansible-core",
    "bson": "pymongo",
    "dns": "pymongo",
}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, by their whole names."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}


def needed() -> set[str]:
    """Return the packages that the tests of the plugins import, and what they import of other tests."""
    waiting, seen, found = set((ROOT / "tests/unit/plugins").rglob("*.py")), set[Path](), set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        names = imported(path)
        found |= {name.partition(".")[0] for name in names}
        ours = {ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("tests.")}
        waiting |= {one for one in ours if one.exists()} - seen
    return found


def test_what_the_tests_of_the_plugins_import_is_installed() -> None:
    """Seen here in every run, and not in a release alone."""
    third = {PACKAGES.get(name, name) for name in needed() - OWN - sys.stdlib_module_names}
    installed = set(re.findall(r"grep '\^([\w-]+)=='", (ROOT / "bin/lib/versions.sh").read_text())) | {"ansible-core"}
    assert {"pytest", "hypothesis", "werkzeug"} <= third
    assert third <= installed
