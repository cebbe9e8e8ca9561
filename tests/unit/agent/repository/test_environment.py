"""Keys and logins for restic: read from a file of their own, checked by name, and never quoted."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup_agent.errors import BadConfiguration
from backup_agent.repository.environment import located, read


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    """Write a file of variables."""
    path = tmp_path / "environment.json"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_variables_are_read_each_time(tmp_path: Path) -> None:
    """Numbers become text; without a file there are none; a new file counts at once."""
    path = written(tmp_path, '{"AWS_ACCESS_KEY_ID": "a=b\\nc", "B2_ACCOUNT_ID": 7}')

    assert {"AWS_ACCESS_KEY_ID": "a=b\nc", "B2_ACCOUNT_ID": "7"} == read(path)
    assert {} == read(None)
    assert {"OS_AUTH_URL": "x"} == read(written(tmp_path, "OS_AUTH_URL: x"))


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "RESTIC_PASSWORD",
        "RESTIC_PASSWORD_COMMAND",
        "RESTIC_REPOSITORY",
        "RCLONE_PASSWORD_COMMAND",
        "AWS_CONFIG_FILE",
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES",
        "AWS_KEY=x",
        "AWS_KEY\\nLD_PRELOAD",
        "aws_key",
    ],
)
def test_a_variable_that_is_no_key_is_refused(tmp_path: Path, name: str) -> None:
    """What runs programs, or leads to files that do, is named; its value is not."""
    with pytest.raises(BadConfiguration, match="remove them") as caught:
        read(written(tmp_path, f'{{"{name}": "hunter2"}}'))
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("AWS_KEY: hunter2", 0o640, "expected mode 0600, found 0640"),
        ("AWS_KEY: hunter2", 0o604, "expected mode 0600, found 0604"),
        ("AWS_KEY: [hunter2]", 0o600, "names with their values"),
        ("[hunter2]", 0o600, "names with their values"),
        ("hunter2: [", 0o600, "YAML or JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, mode: int, words: str) -> None:
    """With the remedy, and without what is in it."""
    with pytest.raises(BadConfiguration, match=words) as caught:
        read(written(tmp_path, text, mode))
    assert "hunter2" not in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(BadConfiguration, match="none: No such file"):
        read(tmp_path / "none")


def test_a_login_at_a_rest_server_goes_into_the_location() -> None:
    """restic before 0.16.1 takes it from nowhere else. What is no such server, or has no login, stays as it is."""
    login = {"RESTIC_REST_USERNAME": "orders", "RESTIC_REST_PASSWORD": "a/b@c"}

    assert "rest:https://orders:a%2Fb%40c@host:8000/orders/" == located("rest:https://host:8000/orders/", login)
    assert "s3:https://host/bucket" == located("s3:https://host/bucket", login)
    assert "rest:https://host/" == located("rest:https://host/", {})
