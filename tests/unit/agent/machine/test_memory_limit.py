"""How much the processes of a job may take before they are ended."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from click.testing import CliRunner

from backup_agent.__main__ import main
from backup_agent.machine.resources import MIB, memory_limit
from tests.unit.agent.jobs import configured


def test_the_limit_leaves_room_for_the_unusual(tmp_path: Path) -> None:
    """A head, a proof and a restore at once, with caches that are full, restic and the agent: still below it."""
    config = configured(tmp_path)
    mongod = (320 + config.head.cache_mb) * MIB

    assert memory_limit(config) > 3 * mongod + (150 + 4 * 128) * MIB


def test_the_command_needs_nothing_but_the_configuration(tmp_path: Path) -> None:
    """Neither a source nor a repository, nor a directory."""
    path = tmp_path / "job.yml"
    path.write_text(yaml.safe_dump(configured(tmp_path).model_dump(mode="json")))

    answer = CliRunner().invoke(main, ["--config", str(path), "memory-limit", "--json"])

    assert json.loads(answer.stdout) == {"ok": True, "bytes": memory_limit(configured(tmp_path))}
