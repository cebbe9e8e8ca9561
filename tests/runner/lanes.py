"""Runs parts in lanes: each part into a log of its own, which is printed whole when the part has ended."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.runner.parts import Part

LANES = 2
HEARTBEAT_SECONDS = 60
#: How long a part may clean up after an interruption.
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Result:
    """How a part ended."""

    part: Part
    passed: bool
    seconds: float
    #: Of the part's processes and of those that these waited for, in seconds.
    processor: float
    note: str = ""


@dataclass
class Lanes:
    """Runs parts, as many at once as there are lanes. `command` gives the command line of a part."""

    directory: Path
    command: Callable[[Part], Sequence[str | Path]]
    lanes: int = LANES
    heartbeat: float = HEARTBEAT_SECONDS
    _running: dict[str, tuple[float, subprocess.Popen[bytes]]] = field(default_factory=dict)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def run(self, parts: Sequence[Part]) -> list[Result]:
        """Run parts to their ends and return how, in the order of `parts`. An exception (Ctrl-C) ends all of them."""
        self.directory.mkdir(parents=True, exist_ok=True)
        alone = {part.alone: threading.Lock() for part in parts if part.alone}
        shown = len(parts) == 1  # nothing can get between the lines of the only one, so they are seen at once
        with ThreadPoolExecutor(self.lanes) as lanes:
            futures = [lanes.submit(self._one, part, alone.get(part.alone) or nullcontext(), shown) for part in parts]
            try:
                self._follow(futures, shown)
            except BaseException:
                self._stop()
                raise
        return [future.result() for future in futures]

    def _follow(self, futures: Sequence[Future[Result]], shown: bool) -> None:
        waiting = set(futures)
        began = last = time.monotonic()
        while waiting:
            ended, waiting = wait(waiting, last + self.heartbeat - time.monotonic(), FIRST_COMPLETED)
            for future in ended if not shown else ():
                self._print(future.result())
            if time.monotonic() >= last + self.heartbeat:
                last = time.monotonic()
                if not shown:
                    print(f"-- {last - began:.0f} s: {self._what_runs()}", flush=True)

    def _what_runs(self) -> str:
        now = time.monotonic()
        with self._changing:
            names = [f"{name} since {now - began:.0f} s" for name, (began, _) in self._running.items()]
        return ", ".join(names) or "nothing runs"

    def _print(self, result: Result) -> None:
        print(f"\n== {result.part.name}", flush=True)
        with (self.directory / f"{result.part.name}.log").open("rb") as log:
            shutil.copyfileobj(log, sys.stdout.buffer)
        print(f"-- {described(result)}", flush=True)

    def _one(self, part: Part, turn: AbstractContextManager[object], shown: bool) -> Result:
        note = self.directory / f"{part.name}.note"
        note.unlink(missing_ok=True)
        with turn, nullcontext() if shown else (self.directory / f"{part.name}.log").open("wb") as log:
            began = time.monotonic()
            with self._changing:
                if self._stopped:
                    return Result(part, False, 0, 0)
                process = subprocess.Popen(
                    self.command(part),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT if log else None,
                    env={**os.environ, "BACKUP_TEST_NOTE": str(note)},
                    process_group=0,
                )
                self._running[part.name] = began, process
            status, used = _wait(process)
            with self._changing:
                del self._running[part.name]
        seconds = time.monotonic() - began
        said = note.read_text().strip() if note.exists() else ""
        return Result(part, status == 0, seconds, used.ru_utime + used.ru_stime, said)

    def _stop(self) -> None:
        """Interrupt what runs, give it time to clean up, and kill what is left of it; nothing else begins."""
        with self._changing:
            self._stopped = True
            processes = [process for _, process in self._running.values()]
        _signal(processes, signal.SIGINT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._running and time.monotonic() < deadline:
            time.sleep(0.1)
        _signal(processes, signal.SIGKILL)


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage]:
    """Wait as Popen does, and learn what it used."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, used


def _signal(processes: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def endings(results: Sequence[Result], directory: Path, lines: int = 80) -> str:
    """Return the last lines of every part that failed: in the whole output they are far above those of the parts after it."""
    if len(results) == 1:
        return ""  # it was printed as it went
    logs = {result.part.name: directory / f"{result.part.name}.log" for result in results if not result.passed}
    texts = {name: log.read_text(errors="replace").splitlines() for name, log in logs.items() if log.exists()}
    return "".join("\n".join([f"\n== the end of {name}", *text[-lines:], ""]) for name, text in texts.items())


def described(result: Result) -> str:
    """Return the line of a part in the summary."""
    note = f" ({result.note})" if result.note else ""
    how = "passed" if result.passed else "FAILED"
    return f"{result.part.name}: {how}, {result.seconds:.0f} s, processor {result.processor:.0f} s{note}"
