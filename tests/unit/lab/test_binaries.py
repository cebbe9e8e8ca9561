from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import binaries
from lab.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path


def fake_mongod(path: Path, version: str, code: int = 0) -> Path:
    path.write_text(f"#!/bin/sh\necho '{version}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_the_named_mongod_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$MONGOD is used even where another mongod is on PATH."""
    (tmp_path / "bin").mkdir()
    fake_mongod(tmp_path / "bin" / "mongod", "db version v1")
    wanted = fake_mongod(tmp_path / "mine", "db version v2")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("MONGOD", str(wanted))

    assert binaries.find_mongod() == wanted


def test_the_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without $MONGOD the mongod on PATH is used."""
    wanted = fake_mongod(tmp_path / "mongod", "db version v1")
    monkeypatch.delenv("MONGOD", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert binaries.find_mongod() == wanted


def test_a_named_mongod_that_does_not_run_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong $MONGOD is not passed over in silence: the message names it, what it said and what to do."""
    broken = fake_mongod(tmp_path / "broken", "libcrypto is missing", code=127)
    monkeypatch.setenv("MONGOD", str(broken))

    with pytest.raises(LabError, match=r"libcrypto is missing.*set MONGOD"):
        binaries.find_mongod()


def test_a_named_mongod_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A $MONGOD that does not exist is named in the message."""
    monkeypatch.setenv("MONGOD", str(tmp_path / "none"))

    with pytest.raises(LabError, match="none"):
        binaries.find_mongod()
