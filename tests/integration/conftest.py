"""What the tests of a process share: what Python has compiled, the process that agents are forked from, installed versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration import forked
from tests.integration.site import Site

HERE = Path(__file__).parent
COMPILED = HERE.parents[1] / ".cache" / "compiled"


def pytest_configure() -> None:
    """Let the processes that tests start keep what they compile; see compiled/sitecustomize.py."""
    COMPILED.mkdir(parents=True, exist_ok=True)
    os.environ["KEEP_COMPILED"] = str(COMPILED)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE / "compiled"), os.environ.get("PYTHONPATH"))))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Say where the tests of this process keep what they share."""
    forked.directory = tmp_path_factory.mktemp("forked")
    Site.shared = tmp_path_factory.mktemp("versions")
