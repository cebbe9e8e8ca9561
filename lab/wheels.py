"""Wheelhouses with made-up agents: of an older version, of a newer version, and of a version that does not work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

AGENT = Path(__file__).parents[1] / "agent"


def variant(wheelhouse: Path, into: Path, version: str, edits: dict[str, tuple[str, str]]) -> Path:
    """Make a copy of a wheelhouse whose agent has another version, and whose files are edited: name to (pattern, replacement)."""
    into.mkdir(parents=True)
    for wheel in wheelhouse.glob("*.whl"):
        if not wheel.name.startswith("mongodb_ops_backup_agent-"):
            shutil.copy(wheel, into)
    source = into / "source"
    shutil.copytree(AGENT, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    _edit(source / "pyproject.toml", r'version = "[^"]+"', f'version = "{version}"')
    _edit(source / "src/backup_agent/__init__.py", r'__version__ = "[^"]+"', f'__version__ = "{version}"')
    for name, (pattern, replacement) in edits.items():
        _edit(source / "src/backup_agent" / name, pattern, replacement)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(into), str(source)]
    subprocess.run(build, check=True)
    shutil.rmtree(source)
    return into


def _edit(path: Path, pattern: str, replacement: str) -> None:
    text, times = re.subn(pattern, replacement, path.read_text(), count=1)
    if not times:
        raise ValueError(f"expected {pattern} in {path}, found none; the lab has to follow the source")
    path.write_text(text)
