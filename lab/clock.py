"""Clocks that a test sets, for single processes: the wall clock jumps, or time passes on both clocks.

libfaketime does not do: Python's waits fail or hang under it as soon as it touches the monotonic clock.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

from lab.errors import LabError

_SOURCE = Path(__file__).with_name("shifted_clock.c")


def missing() -> str | None:
    """Say what this machine lacks for clocks of one's own, or None."""
    return None if shutil.which("cc") else "clocks that can be set need a C compiler, cc"


class Clocks:
    """The clocks of every process that is started with `environment`; real until they are set."""

    def __init__(self, directory: Path) -> None:
        """`directory` is where the library and the setting are kept as long as the processes run."""
        library = directory / "shifted_clock.so"
        build = ["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(_SOURCE), "-ldl"]
        done = subprocess.run(build, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"expected {_SOURCE} to compile; it does not: {done.stderr[:500]}")
        self._path = directory / "shifted_clock"
        self._path.write_bytes(bytes(16))
        self._wall = self._monotonic = 0
        self.environment = {"LD_PRELOAD": str(library), "LAB_SHIFTED_CLOCK": str(self._path)}

    def set_wall(self, seconds: int) -> None:
        """Set the wall clock alone this many seconds ahead of the real one (below 0: behind), as an operator would."""
        self._wall = seconds
        self._write()

    def let_pass(self, seconds: int) -> None:
        """Let this much time pass at once, on both clocks."""
        self._wall += seconds
        self._monotonic += seconds
        self._write()

    def _write(self) -> None:
        with self._path.open("r+b") as file:
            file.write(struct.pack("=qq", self._wall, self._monotonic))
