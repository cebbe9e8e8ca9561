"""The collection community.mongodb, out of the package that carries it on the package index."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "ansible==12.3.0"
PARTS = tuple(f"ansible_collections/{name}/" for name in ("community/mongodb", "community/general", "ansible/posix"))


def community_mongodb(directory: Path) -> Path:
    """Download and unpack the collection and what it needs; returns a directory for ANSIBLE_COLLECTIONS_PATH."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE, "--dest", str(directory)]
    subprocess.run(command, check=True)
    (wheel,) = directory.glob("ansible-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory, [name for name in archive.namelist() if name.startswith(PARTS)])
    return directory
