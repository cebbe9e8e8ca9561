"""What all processes of the tests share: Python compiles each file once, and not in every process again."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent
COMPILED = HERE.parents[1] / ".cache" / "compiled"


def pytest_configure() -> None:
    """Let the processes that tests start keep what they compile; see compiled/sitecustomize.py."""
    COMPILED.mkdir(parents=True, exist_ok=True)
    os.environ["KEEP_COMPILED"] = str(COMPILED)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE / "compiled"), os.environ.get("PYTHONPATH"))))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
