"""restic, called as a program. It stores the snapshots: deduplicated, encrypted, verified.

The location goes by environment variable, since some kinds carry a password; the repository's password only by file name.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backup_agent.config import Repository, why_not_private
from backup_agent.errors import AgentError, BadConfiguration
from backup_agent.head import dies_with_agent
from backup_agent.repository import environment
from backup_agent.repository.failures import Locked, ReadOnly, RepositoryMissing, ResticFailed, Strange, explain
from backup_agent.repository.plain import NotPlain, make_plain_files
from backup_agent.values import Json, Record

TICK_SECONDS = 0.2
ID_DIGITS = 64
"""Of a snapshot's id, which is the SHA-256 of what describes the snapshot and, by their own, all that is in it."""
TERMINATE_SECONDS = 20
MOST_ANSWER_CHARACTERS = 256 * 1024 * 1024
"""More than the manifest of a snapshot, or the list of them, can have: whoever can write to the repository can forge one."""
PIECE_CHARACTERS = 1024 * 1024
QUEUED_PIECES = 32
KEPT_ERROR_LINES = 20
LOCKED_SECONDS = 120
"""How long a command waits for the lock of another process."""

LOCKED_RETRY_SECONDS = 2.0
READING = ("restore", "dump", "snapshots", "stats", "cat")
"""Commands that change nothing: on a repository that cannot be written they do without a lock."""

Tick = Callable[[], None]
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in total."""


@contextlib.contextmanager
def cache_of(job_directory: Path) -> Iterator[Path]:
    """Yield restic's cache of a job to the user of its agent, and one that does not stay to anybody else.

    What another user (root, who checks a configuration) leaves in the job's own cache, the agent could not read.
    """
    if job_directory.exists() and job_directory.stat().st_uid == os.geteuid():
        yield job_directory / "restic-cache"
        return
    with tempfile.TemporaryDirectory(prefix="restic-cache-") as directory:
        yield Path(directory)


@dataclass(frozen=True)
class Stored:
    """What `backup` stored."""

    restic_id: str
    bytes_added: int
    bytes_total: int


def _nothing() -> None:
    """Do nothing while restic runs."""


def _no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Listed(Record):
    """A snapshot as restic lists it; `time` has nanoseconds and the zone of the machine that stored it."""

    id: str
    time: str
    tags: tuple[str, ...] | None = None


def only(begins: str, ids: Iterable[str]) -> str | None:
    """Return the one id that begins so; None when there is none, and when there are several: nobody knows which was meant."""
    found = [one for one in ids if one.startswith(begins)]
    return found[0] if len(found) == 1 else None


class Restic:
    """One repository."""

    def __init__(self, repository: Repository, cache: Path, password: int | None = None) -> None:
        """Nothing is run yet. `cache` is a directory of the job's own.

        `password` is an open file that holds the password, for an account that may not read the one that has a name.
        """
        self._repository, self._cache, self._password = repository, cache, password

    # What can be asked of it ------------------------------------------------------------------------------------------

    def prepare(self, *tags: str, first_use: bool, tick: Tick = _nothing) -> list[Listed]:
        """Make the repository ready for a write, creating it when this is the first use; returns what has these tags already.

        Raises RepositoryMissing when there is none although there once was: its disk may not be mounted, and a new one must not
        be put in its place.
        """
        try:
            return self.snapshots(*tags, tick=tick)
        except RepositoryMissing:
            if not first_use:
                raise
        self._run(["init"], tick)
        return []

    def backup(
        self,
        directory: Path,
        paths: Sequence[str],
        *,
        host: str,
        tags: Sequence[str],
        exclude: Sequence[str] = (),
        progress: Progress = _no_progress,
        tick: Tick = _nothing,
    ) -> Stored:
        """Store paths that are relative to a directory. What `tick` raises ends restic first.

        Raises Transient, BadConfiguration or ResticFailed; also when restic could not read every file.
        """
        missing = [path for path in paths if not (directory / path).exists()]
        if missing:  # restic only warns about a path that is not there
            raise ResticFailed(
                f"restic backup: expected {', '.join(missing)} in {directory}, found none; is the head's directory complete?"
            )
        arguments = ["backup", "--host", host]
        arguments += [part for tag in tags for part in ("--tag", tag)]
        arguments += [part for pattern in exclude for part in ("--exclude", pattern)]
        summary: Json = {}
        for message in self._messages([*arguments, "--", *paths], tick, directory):
            if message.get("message_type") == "status":
                progress(int(message.get("bytes_done", 0)), int(message.get("total_bytes", 0)))
            elif message.get("message_type") == "summary":
                summary = message
        if "snapshot_id" not in summary:
            raise ResticFailed(
                "restic backup: expected a summary with the id of the snapshot, found none; see the agent's log"
            )
        return Stored(summary["snapshot_id"], summary["data_added"], summary["total_bytes_processed"])

    def whole(self, stored: Stored, tag: str, tick: Tick = _nothing) -> Stored:
        """Return what was stored with its whole id. Raises ResticFailed where another one begins alike.

        Restic 0.14 says the first eight digits: within hours one can make another snapshot whose id begins with them.
        """
        if len(stored.restic_id) == ID_DIGITS:
            return stored
        found = only(stored.restic_id, [listed.id for listed in self.snapshots(tag, tick=tick)])
        if found is None:
            raise ResticFailed(
                f"restic backup: expected one snapshot whose id begins with {stored.restic_id}, found none or several; "
                "find out who else writes to the repository"
            )
        return replace(stored, restic_id=found)

    def restore(self, restic_id: str, target: Path, tick: Tick = _nothing) -> None:
        """Restore a snapshot into a directory. Every block's checksum is verified by restic.

        Raises Strange when it is no tree of plain files.
        """
        self._run(["restore", restic_id, "--target", str(target)], tick)
        try:
            make_plain_files(target)
        except NotPlain as error:
            raise Strange(
                f"restic restore: expected files and directories alone in snapshot {restic_id[:8]}, found {error}; "
                "no agent stores that: find out who has written to the repository"
            ) from error

    def dump(self, restic_id: str, path: str, tick: Tick = _nothing) -> str:
        """Return a file of a snapshot."""
        return self._run(["dump", restic_id, path], tick)

    def snapshots(self, *tags: str, tick: Tick = _nothing) -> list[Listed]:
        """Return the snapshots that have all of these tags, oldest first."""
        arguments = ["snapshots", *(["--tag", ",".join(tags)] if tags else [])]
        found = json.loads(self._run(arguments, tick) or "null") or []
        return sorted(map(Listed.from_json, found), key=lambda snapshot: snapshot.time)

    def identity(self, tick: Tick = _nothing) -> str:
        """Return the id that the repository was given when it was made."""
        return str(json.loads(self._run(["cat", "config"], tick))["id"])

    def forget(self, restic_ids: Sequence[str], tick: Tick = _nothing, prune: bool = True) -> None:
        """Remove snapshots, and what only they used. One that is not there is no error."""
        if restic_ids:
            self._run(["forget", *restic_ids, *(["--prune"] if prune else [])], tick)

    def restore_size(self, restic_ids: Sequence[str], tick: Tick = _nothing) -> int:
        """Return how many bytes the restored files of snapshots take together."""
        return sum(
            int(json.loads(self._run(["stats", "--mode", "restore-size", found], tick))["total_size"])
            for found in dict.fromkeys(restic_ids)
        )

    def check(self, part: int, parts: int, tick: Tick = _nothing) -> None:
        """Let restic verify the structure of the repository, and read one part of so many of its data. Raises ResticFailed."""
        self._run(["check", f"--read-data-subset={part}/{parts}"], tick)

    # How it is run ----------------------------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        variables = {**os.environ, **environment.read(self._repository.environment_file)}
        named = str(self._repository.password_file)
        return {
            **variables,
            "RESTIC_REPOSITORY": environment.located(self._repository.location, variables),
            "RESTIC_PASSWORD_FILE": named if self._password is None else f"/proc/self/fd/{self._password}",
            "RESTIC_CACHE_DIR": str(self._cache),
            "RESTIC_PROGRESS_FPS": "2",
        }

    def _run(self, arguments: list[str], tick: Tick) -> str:
        """Run a command. What holds a lock is waited for; the lock of a process that has died is removed first."""
        deadline, pause = time.monotonic() + LOCKED_SECONDS, 0.0
        while True:
            try:
                return _joined(self._lines(arguments, tick, None), arguments[0])
            except ReadOnly:
                if arguments[0] not in READING:
                    raise
                arguments = [*arguments, "--no-lock"]
            except Locked:
                if time.monotonic() > deadline:
                    raise
                with contextlib.suppress(AgentError):
                    "".join(self._lines(["unlock"], tick, None))
                _pause(pause, tick)
                pause = LOCKED_RETRY_SECONDS

    def _messages(self, arguments: list[str], tick: Tick, directory: Path) -> Iterator[Json]:
        for line in self._lines(arguments, tick, directory):
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def _lines(self, arguments: list[str], tick: Tick, directory: Path | None) -> Iterator[str]:
        """Run restic, yield its output and raise what its end means; `tick` is called all along."""
        process = self._start(arguments, directory)
        errors: deque[str] = deque(maxlen=KEPT_ERROR_LINES)
        try:
            yield from _output(process, errors, tick)
        except BaseException:
            _end(process)
            raise
        if process.wait():
            raise explain(arguments[0], process.returncode, "".join(errors), self._repository)

    def _start(self, arguments: list[str], directory: Path | None) -> subprocess.Popen[str]:
        if refused := why_not_private("repository.password_file", self._repository.password_file):
            raise BadConfiguration(refused)
        self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            return subprocess.Popen(
                [self._repository.restic, "--json", *arguments],
                env=self._environment(),
                cwd=directory,
                pass_fds=() if self._password is None else (self._password,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                # Then the files that restic reads are no longer locked. It takes no lock that another thread could hold.
                preexec_fn=dies_with_agent(signal.SIGTERM),  # noqa: PLW1509
                start_new_session=True,
            )
        except OSError as error:
            raise BadConfiguration(
                f"repository.restic: expected a restic that runs, found {self._repository.restic}: {error.strerror}; "
                "install it, or correct its path"
            ) from error


def _pause(seconds: float, tick: Tick) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        tick()
        time.sleep(TICK_SECONDS)


def _output(process: subprocess.Popen[str], errors: deque[str], tick: Tick) -> Iterator[str]:
    """Yield the lines of standard output, keep the last ones of standard error."""
    lines: queue.Queue[str | None] = queue.Queue(maxsize=QUEUED_PIECES)
    readers = [
        threading.Thread(target=_pump, args=(process.stdout, lines.put), daemon=True),
        threading.Thread(target=errors.extend, args=(_pieces(process.stderr),), daemon=True),
    ]
    for reader in readers:
        reader.start()
    while True:
        tick()
        try:
            line = lines.get(timeout=TICK_SECONDS)
        except queue.Empty:
            continue
        if line is None:
            break
        yield line
    readers[1].join(timeout=TERMINATE_SECONDS)


def _pump(stream: Any, put: Callable[[str | None], None]) -> None:
    for piece in _pieces(stream):
        put(piece)
    put(None)


def _pieces(stream: Any) -> Iterator[str]:
    """Yield the lines of a stream, one that has no end in pieces."""
    return iter(lambda: stream.readline(PIECE_CHARACTERS), "")


def _joined(pieces: Iterable[str], command: str) -> str:
    """Return an answer of restic. Raises ResticFailed for one that is larger than any that it gives."""
    found: list[str] = []
    left = MOST_ANSWER_CHARACTERS
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise ResticFailed(
                f"restic {command}: expected at most {MOST_ANSWER_CHARACTERS} characters, found more; "
                "see who has written to the repository"
            )
        found.append(piece)
    return "".join(found)


def _end(process: subprocess.Popen[str]) -> None:
    """Let restic remove its lock, then end it."""
    process.terminate()
    try:
        process.wait(timeout=TERMINATE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
