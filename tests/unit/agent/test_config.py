"""The configuration file: strict, and every mistake is answered with the value and the remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from backup_agent.config import load, why_not_private
from backup_agent.errors import AccessRefused, BadConfiguration

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
        ({"job": "orders\n"}, "job: "),
        ({"source": {"uri": "mongodb://a"}}, "source.replica_set: missing"),
        ({"source": {"uri": "mongodb://u:hunter2@a/", "replica_set": "r"}}, "no credentials in the URI"),
        ({"source": {"uri": "http://a", "replica_set": "r"}}, "starts with mongodb://"),
        ({"repository": {"location": "rest:https://u:hunter2@a/", "password_file": "/p"}}, "no credentials in it"),
        ({"repository": {"location": "rest:http://hunter2@a/", "password_file": "/p"}}, "no credentials in it"),
        ({"repository": {"location": "rest:https://u:hunt/hunter2@a/", "password_file": "/p"}}, "no credentials in it"),
        ({"repository": {"location": "sftp://u:hunter2@a/orders", "password_file": "/p"}}, "no credentials in it"),
        ({"repository": "rest:https://u:hunter2@a/"}, "repository: "),
        ({"repository": ["rest:https://u:hunter2@a/"]}, "found list"),
        ({"copy_threads": "rest:https://u:hunter2@a/"}, "copy_threads"),
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


@pytest.mark.parametrize(
    "location", ["sftp:backup@host:/srv/orders", "sftp://backup@host:22//srv/orders", "/srv/a@b", "s3:https://h/b"]
)
def test_a_location_without_a_password_is_fine(tmp_path: Path, location: str) -> None:
    """A user alone is no secret where the password is a key of ssh."""
    assert (
        location
        == load(written(tmp_path, repository={"location": location, "password_file": "/p"})).repository.location
    )


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


@pytest.mark.parametrize(
    ("mode", "refused"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True), (0o601, True)]
)
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int, refused: bool) -> None:
    """Also behind a link, whose own mode says nothing; the message has the remedy."""
    (tmp_path / "word").write_text("hunter2")
    (tmp_path / "word").chmod(mode)
    (tmp_path / "link").symlink_to("word")
    for path in (tmp_path / "word", tmp_path / "link"):
        expected = f"source.password_file: expected mode 0600, found {mode:04o}; run chmod 0600 {path}"
        assert (expected if refused else None) == why_not_private("source.password_file", path)
    config = load(
        written(tmp_path, source={**GOOD["source"], "username": "u", "password_file": str(tmp_path / "link")})
    )
    if refused:
        with pytest.raises(AccessRefused, match="run chmod 0600"):
            config.password()
    else:
        assert "hunter2" == config.password()


def test_what_is_handed_over_to_this_process_has_no_mode_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A credential of systemd, a pipe, and a file without a name; one that is not there is another fault."""
    (tmp_path / "word").write_text("x")
    (tmp_path / "word").chmod(0o640)
    assert why_not_private("a", tmp_path / "none") is None
    nameless = os.memfd_create("word")
    assert why_not_private("a", Path(f"/proc/self/fd/{nameless}")) is None
    os.close(nameless)
    assert why_not_private("a", tmp_path / "word")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert why_not_private("a", tmp_path / "word") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_takes_no_configuration_of_somebody_else(tmp_path: Path) -> None:
    """It could name any file as a password, and any host to send it to."""
    path = written(tmp_path)
    os.chown(path, 61001, 61001)
    with pytest.raises(BadConfiguration, match=f"expected a configuration of root, found {path} of user 61001"):
        load(path)
