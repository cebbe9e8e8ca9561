"""Wheelhouses with made-up agents: of an older version, of a newer version, and of a version that does not work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

AGENT = Path(__file__).parents[1] / "agent"

Edits = dict[str, tuple[str, str]]
"""What is replaced in files of the agent: by name the pattern and what takes its place."""

NEVER_UP: Edits = {
    "daemon/loop.py": (r"(?m)^    job = Job\(config, store\)$", '    raise OSError("this version does not work")')
}
FOLLOWS_NOTHING: Edits = {"head.py": (r'"bind_ip": self\.socket', '"bind_nothing": self.socket')}
NEXT_SCHEMA: Edits = {"state/database.py": (r"SCHEMA_VERSION = 1\b", "SCHEMA_VERSION = 2")}


def speaks(api: int) -> Edits:
    """Return the edit that gives an agent another version of its interface."""
    return {"__init__.py": (r"API = \d+", f"API = {api}")}


def variant(wheelhouse: Path, into: Path, version: str, edits: Edits) -> Path:
    """Make a copy of a wheelhouse whose agent has another version, and whose files are edited."""
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


def edited(path: Path, pattern: str, replacement: str) -> str:
    """Return the text of a file with an edit. Raises ValueError when there is nothing to replace."""
    text, times = re.subn(pattern, replacement, path.read_text(), count=1)
    if not times:
        raise ValueError(f"expected {pattern} in {path}, found none; the lab has to follow the source")
    return text


def _edit(path: Path, pattern: str, replacement: str) -> None:
    path.write_text(edited(path, pattern, replacement))
