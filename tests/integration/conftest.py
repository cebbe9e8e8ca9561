"""What all processes of the tests share: Python compiles each file once, and long files of tests are begun first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILED = HERE.parents[1] / ".cache" / "compiled"

LONGEST = (
    "test_playbooks",
    "test_maintenance",
    "test_maintenance_playbooks",
    "test_provision",
    "test_agent_sync",
    "test_runner",
    "test_annual_resync",
    "test_source_faults",
    "test_crash_matrix",
    "test_restore",
    "test_agent_crash",
    "test_fidelity",
    "test_kills",
)
"""The files that take longest, which would keep one worker busy at the end while the others have nothing to do."""


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes that tests start keep what they compile; see compiled/sitecustomize.py."""
    config.option.loadscopereorder = False  # the order of files is the one below
    COMPILED.mkdir(parents=True, exist_ok=True)
    os.environ["KEEP_COMPILED"] = str(COMPILED)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE / "compiled"), os.environ.get("PYTHONPATH"))))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and leave each whole."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))
