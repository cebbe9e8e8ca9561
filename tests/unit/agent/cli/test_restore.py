"""What the commands that work from a repository refuse before they touch anything."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
import yaml
from bson.timestamp import Timestamp
from click.testing import CliRunner

from backup_agent.__main__ import main
from backup_agent.cli.restore import parse_at
from backup_agent.errors import Refused
from tests.unit.agent.stored import whole_second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000:3", Timestamp(1700000000, 3)),
        ("1700000000,3", Timestamp(1700000000, 3)),
        ("2023-11-14T22:13:20Z", whole_second(1700000000)),
        ("2023-11-14T23:13:20+01:00", whole_second(1700000000)),
        ("2023-11-14 22:13:20.9Z", whole_second(1700000000)),
    ],
)
def test_times_are_read(text: str, expected: Timestamp) -> None:
    """An optime is exact; a time of the day stands for the whole of its second."""
    assert expected == parse_at(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "found 'yesterday'"),
        ("2023-11-14T22:13:20", "with its zone"),
        ("1700000000", "found '1700000000'"),
        ("1969-01-01T00:00:00Z", "since 1970"),
        ("4294967296:1", "since 1970"),
        ("9999-01-01T00:00:00Z", "since 1970"),
    ],
)
def test_times_that_could_be_misread_are_refused(text: str, words: str) -> None:
    """A restore to the wrong hour is worse than none."""
    with pytest.raises(Refused, match=words):
        parse_at(text)


def configuration(directory: Path) -> str:
    """Write the configuration of a job and return its path."""
    (directory / "job").mkdir()
    path = directory / "job.yml"
    path.write_text(
        yaml.safe_dump(
            {
                "job": "orders",
                "directory": str(directory / "job"),
                "source": {"uri": "mongodb://a.example.com:27017/?replicaSet=rs0", "replica_set": "rs0"},
                "head": {"mongod": "/usr/bin/mongod"},
                "repository": {"location": "/srv/backups", "password_file": "/etc/orders.restic"},
            }
        )
    )
    return str(path)


def call(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command line in this process."""
    done = CliRunner().invoke(main, [*arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize("options", [(), ("--repository", "/r"), ("--password-file", "/p")])
def test_a_repository_needs_its_password_or_a_configuration(options: tuple[str, ...], tmp_path: Path) -> None:
    """Half of it is no way to a backup."""
    for command in (("ranges",), ("restore", "--target", str(tmp_path / "t"))):
        code, found = call(*command, *options)
        assert (2, "bad_configuration") == (code, found["error"]["code"])
        assert "--repository together with --password-file" in found["error"]["message"]


def test_a_password_in_an_argument_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """Others can read the arguments of a command, and the message may be logged."""
    options = ("--repository", "rest:https://user:secret@host/orders", "--password-file", "/p")
    for command in (("ranges",), ("restore", "--target", str(tmp_path / "t"))):
        code, found = call(*command, *options)
        assert (2, "bad_configuration") == (code, found["error"]["code"])
        assert "no password in it" in found["error"]["message"]
        assert "secret" not in json.dumps(found)


def test_an_agent_is_submitted_nothing_about_other_repositories(tmp_path: Path) -> None:
    """It would restore from its own and nobody would notice."""
    config = configuration(tmp_path)
    code, found = call(
        "--config", config, "restore", "--target", "/t", "--submit", "--repository", "/r", "--password-file", "/p"
    )
    assert 2 == code
    assert "--repository, --password-file; leave one of the two out" in found["error"]["message"]


def test_an_agent_that_does_not_run_is_submitted_nothing(tmp_path: Path) -> None:
    """Without --submit the command does it itself, which needs no agent."""
    config = configuration(tmp_path)
    code, found = call("--config", config, "restore", "--target", "/t", "--submit")
    assert (4, "agent_down") == (code, found["error"]["code"])


def test_a_missing_mongod_and_a_missing_password_file_are_named(tmp_path: Path) -> None:
    """Not as a failure of the target's disk."""
    me = pwd.getpwuid(os.geteuid()).pw_name
    given = ("--repository", str(tmp_path / "r"), "--password-file", str(tmp_path / "none"), "--as", me)
    code, found = call("ranges", *given)
    assert 2 == code
    assert "none" in found["error"]["message"]


def test_only_root_works_as_another_account(tmp_path: Path) -> None:
    """And not where the configuration says whose the job is."""
    config = configuration(tmp_path)
    code, found = call("--config", config, "ranges", "--as", "nobody")
    assert 2 == code
    assert "--as nobody" in found["error"]["message"]
    assert (2, "bad_configuration") == (code, found["error"]["code"])
