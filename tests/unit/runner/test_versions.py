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
    """Return the packages that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names}


def test_what_the_tests_of_the_plugins_import_is_installed() -> None:
    """Seen here in every run, and not in a release alone."""
    needed = {name for path in (ROOT / "tests/unit/plugins").rglob("*.py") for name in imported(path)}
    third = {PACKAGES.get(name, name) for name in needed - OWN - sys.stdlib_module_names}
    installed = set(re.findall(r"grep '\^([\w-]+)=='", (ROOT / "bin/lib/versions.sh").read_text())) | {"ansible-core"}
    assert third
    assert third <= installed
