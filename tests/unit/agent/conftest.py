"""A job whose daemon does not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_agent.config import Config
from backup_agent.state.store import Store
from tests.unit.agent.jobs import configured


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Give its configuration."""
    return configured(tmp_path)


@pytest.fixture
def store(config: Config) -> Store:
    """Give its state."""
    return Store(config.state_file)
