"""Starting, watching and stopping the background writer."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lab import processes
from lab.errors import LabError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from types import TracebackType

KINDS = ("insert", "update", "delete", "transaction", "index")
DEFAULT_MIX: Mapping[str, int] = {"insert": 60, "update": 30, "delete": 10}


class Writer:
    """Starts and stops the writing process; as a context manager it stops it at the end."""

    def __init__(
        self,
        uri: str,
        *,
        rate: float = 300,
        mix: Mapping[str, int] | None = None,
        collections: int = 4,
        document_bytes: int = 500,
        seed: int | None = None,
        directory: Path | None = None,
    ) -> None:
        self._uri = uri
        self._temporary = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="lab-writer-"))
        self._final: dict[str, Any] | None = None
        self.state_file = self._directory / "writer.json"
        self._arguments = [
            *("--rate", str(rate), "--mix", format_mix(mix or DEFAULT_MIX), "--state", str(self.state_file)),
            *("--collections", str(collections), "--document-bytes", str(document_bytes)),
            *(() if seed is None else ("--seed", str(seed))),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> Self:
        """Start writing and wait for the first writes."""
        self._final = None
        self._directory.mkdir(parents=True, exist_ok=True)
        self.state_file.unlink(missing_ok=True)
        root = Path(__file__).resolve().parent.parent
        path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
        self._process = processes.spawn(
            [sys.executable, "-m", "lab.writer", *self._arguments],
            self._directory / "writer.log",
            env={"PYTHONPATH": path, "MONGODB_URI": self._uri},
        )
        try:
            self.wait_for(1)
        except BaseException:
            self.stop()
            raise
        return self

    def wait_for(self, operations: int, timeout_seconds: float = 180) -> None:
        """Wait until so many more operations have been done."""
        wanted = self.counts().get("operations", 0) + operations
        deadline = time.monotonic() + timeout_seconds
        while self.counts().get("operations", 0) < wanted:
            if self._process is None or self._process.poll() is not None:
                raise LabError(f"the writer ended; see {self._directory / 'writer.log'}")
            if time.monotonic() > deadline:
                raise LabError(
                    f"the writer did not write {operations} times in {timeout_seconds:.0f} s: {self.counts()}"
                )
            time.sleep(0.05)

    def counts(self) -> dict[str, Any]:
        """Return what it has reported: operations in all and by kind, errors, its longest pause."""
        return read_counts(self.state_file) if self._final is None else self._final

    def stop(self) -> dict[str, Any]:
        """Stop writing and return the final counts."""
        if self._process is not None:
            processes.stop(self._process)
        self._final = self.counts()
        if self._temporary:
            shutil.rmtree(self._directory, ignore_errors=True)
        return self._final


def read_counts(state_file: Path) -> dict[str, Any]:
    """Return a writer's counts; empty before it has written."""
    try:
        counts: dict[str, Any] = json.loads(state_file.read_text())
    except FileNotFoundError:
        return {}
    return counts


def parse_mix(text: str) -> dict[str, int]:
    """Read `insert=60,update=30` into weights."""
    mix = {}
    for part in text.split(","):
        kind, _, weight = part.partition("=")
        if kind not in KINDS or not weight.isdigit():
            raise ValueError(f"expected KIND=WEIGHT with a kind of {', '.join(KINDS)}; found {part!r}")
        mix[kind] = int(weight)
    if not sum(mix.values()):
        raise ValueError("expected a mix with a weight above 0")
    return mix


def format_mix(mix: Mapping[str, int]) -> str:
    """Write weights the way `parse_mix` reads them."""
    return ",".join(f"{kind}={weight}" for kind, weight in mix.items())
