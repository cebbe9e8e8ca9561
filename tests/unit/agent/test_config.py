"""The configuration file: strict, and every mistake is answered with the value and the remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from backup_agent.config import load
from backup_agent.errors import BadConfiguration

GOOD: dict[str, Any] = {
    "job": "orders",
    "directory": "/var/lib/backup-agent/orders",
    "source": {"uri": "mongodb://a.example.com:27017/?replicaSet=rs0", "replica_set": "rs0"},
    "head": {"mongod": "/usr/bin/mongod"},
    "repository": {"location": "/srv/backups", "password_file": "/etc/backup-agent/orders.restic"},
}


def written(tmp_path: Path, **changes: Any) -> Path:
    """Write the good configuration with changes."""
    path = tmp_path / "job.yml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return path


def test_defaults_are_beside_the_fields(tmp_path: Path) -> None:
    """A short file is enough."""
    config = load(written(tmp_path))
    assert (256, 60, 6) == (config.head.cache_mb, config.source.max_lag_seconds, config.snapshots.interval_hours)
    assert Path("/var/lib/backup-agent/orders/run") == config.socket_directory


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": 1}, "colour: unknown key"),
        ({"job": "a b"}, "job: "),
        ({"source": {"uri": "mongodb://a"}}, "source.replica_set: missing"),
        ({"source": {"uri": "mongodb://u:hunter2@a/", "replica_set": "r"}}, "no credentials in the URI"),
        ({"source": {"uri": "http://a", "replica_set": "r"}}, "starts with mongodb://"),
        ({"copy_threads": 0}, "copy_threads"),
        ({"directory": "here"}, "absolute path"),
        ({"head": {"mongod": "/m", "socket_directory": "/" + "x" * 100}}, "107 bytes"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """The message has the place, and never a password."""
    with pytest.raises(BadConfiguration) as caught:
        load(written(tmp_path, **changes))
    assert words in caught.value.message
    assert "hunter2" not in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message names the path and the option."""
    with pytest.raises(BadConfiguration, match="--config"):
        load(tmp_path / "none.yml")


@pytest.mark.parametrize("text", ["- a list", "a: [", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    """YAML that is not a mapping, or no YAML at all."""
    path = tmp_path / "job.yml"
    path.write_text(text)
    with pytest.raises(BadConfiguration, match="expected"):
        load(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_takes_no_configuration_of_somebody_else(tmp_path: Path) -> None:
    """It could name any file as a password, and any host to send it to."""
    path = written(tmp_path)
    os.chown(path, 61001, 61001)
    with pytest.raises(BadConfiguration, match=f"expected a configuration of root, found {path} of user 61001"):
        load(path)
