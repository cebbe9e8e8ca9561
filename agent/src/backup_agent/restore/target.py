"""The directory that a restore fills: never one that holds anything else, and always known to be finished or not.

As long as `.restore` is in it with anything below, it is not finished; `.restored.json` says afterwards what it holds.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backup_agent import failpoints
from backup_agent.errors import Refused
from backup_agent.restore import place
from backup_agent.restore.plan import Restore
from backup_agent.times import timestamp_iso
from backup_agent.values import text_of

WORKING = ".restore"
"""Everything is made in here. Its presence is the mark of an unfinished restore."""

RECORD = ".restored.json"
MOST_RECORD_BYTES = 64 * 1024 * 1024
NAMES = "names.json"
"""In the working directory: what is being moved up from it, so that nothing else is ever removed."""

CHECKPOINT = "WiredTiger.turtle"
"""Rewritten by the engine at every checkpoint: unchanged, no server has been started on the directory."""

SAME = ("job", "generation", "snapshot", "until")
"""What makes two restores the same."""


@dataclass(frozen=True)
class Target:
    """One directory."""

    path: Path

    @property
    def working(self) -> Path:
        """Where the restore is made before it is moved into place."""
        return self.path / WORKING

    def check(self) -> None:
        """Require an empty directory, one that is not there, or what an unfinished restore left. Raises Refused."""
        for path in (self.path, self.working):
            if path.is_symlink():
                raise Refused(f"expected a directory as the target, found the link {path}; name what it points to")
        if os.geteuid() == place.ROOT:
            place.require_roots(self.path)
        if self.path.exists() and not self.path.is_dir():
            raise Refused(f"expected an empty directory as the target, found {self.path}; choose another")
        held = self._held()
        if not held:
            return
        record = self.record()
        if record is not None and not self._unfinished:
            used = "" if self._untouched(record) else ", on which a server has been started since,"
            raise Refused(
                f"expected an empty directory as the target, found in {self.path} the restore of job {record.job} of "
                f"{timestamp_iso(record.until)}{used} that was made at {record.restored_at}; use it, or choose another directory",
                record=record,
            )
        foreign = sorted(held - {WORKING} - self._moved())
        if foreign:
            raise Refused(
                f"expected an empty directory as the target, found {len(foreign)} files in {self.path}, {foreign[0]} for one; "
                "choose another directory, or empty this one"
            )

    def done(self, wanted: Restore) -> Restore | None:
        """Return the record of exactly this restore, finished and not used since, or None."""
        record = self.record()
        if record is None or self._unfinished or not self._untouched(record):
            return None
        if any(getattr(record, name) != getattr(wanted, name) for name in SAME):
            return None
        with suppress(OSError):
            self.working.rmdir()  # what a crash at the very end left, see there
        return replace(record, checkpoint=None)

    def record(self) -> Restore | None:
        """Return what a finished restore left, or None."""
        with suppress(OSError, ValueError, TypeError, RecursionError):
            found = Restore.from_json(json.loads(text_of(self.path / RECORD, MOST_RECORD_BYTES)))
            return found if found.restored_at else None
        return None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory, which is made when it is not there. Raises Refused when another restore fills it."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise Refused(f"expected no other restore into {self.path}, found one; wait for its end") from None
        except OSError:
            pass  # a file system without locks: as good as it gets
        try:
            yield
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Remove what an unfinished restore left, and begin a new one: the mark is there all the time."""
        self.working.mkdir(exist_ok=True, mode=0o700)
        for name in sorted(self._held() & self._moved()):
            _remove(self.path / name)
        for path in self.working.iterdir():
            if path.name != NAMES:
                _remove(path)
        (self.working / NAMES).unlink(missing_ok=True)

    def move_into_place(self, data: Path, record: Restore) -> None:
        """Move the data files up, make that durable with the record, and take the mark away.

        A crash at any point leaves what the same command goes on from: the names of what was moved are removed last. Raises
        OSError, also for what a disk could not store.
        """
        _sync_tree(data)  # restic and mongod leave some of it to the system
        names = sorted(path.name for path in data.iterdir())
        _write(self.working / NAMES, [*names, RECORD])
        _sync(self.working)
        for name in names:
            os.rename(data / name, self.path / name)
        failpoints.reach("restore.moving", directory=self.path)
        _write(self.path / RECORD, replace(record, checkpoint=self._checkpoint()).to_json())
        _sync(self.path)
        with suppress(PermissionError):
            _sync(self.path.parent)
        for path in self.working.iterdir():
            if path.name != NAMES:
                _remove(path)
        _sync(self.working)
        (self.working / NAMES).unlink()
        with suppress(FileNotFoundError):
            self.working.rmdir()
        _sync(self.path)  # a mark that came back after a power cut would make a directory in use look unfinished

    @property
    def _unfinished(self) -> bool:
        """Whether the mark is there. Empty and beside a record it is no mark: only its own removal was interrupted."""
        try:
            return any(self.working.iterdir()) or self.record() is None
        except OSError as error:
            return not isinstance(error, FileNotFoundError)

    def _held(self) -> set[str]:
        return {path.name for path in self.path.iterdir()} if self.path.exists() else set()

    def _moved(self) -> set[str]:
        with suppress(OSError, ValueError):
            return set(json.loads(text_of(self.working / NAMES, MOST_RECORD_BYTES)))
        return set()

    def _checkpoint(self) -> str | None:
        with suppress(OSError), open(self.path / CHECKPOINT, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
        return None

    def _untouched(self, record: Restore) -> bool:
        return record.checkpoint is not None and record.checkpoint == self._checkpoint()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sync_tree(root: Path) -> None:
    """Make every file below a directory durable, and the directories. Raises OSError."""
    for directory, _, names in os.walk(root):
        for name in names:
            _sync(Path(directory) / name)
        _sync(Path(directory))


def _sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable. Unlike `os.sync` it tells what could not be written: raises OSError."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that does not do this with directories
            raise
    finally:
        os.close(handle)


def _write(path: Path, value: Any) -> None:
    """Write a small file durably, readable for its owner only."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        json.dump(value, file, default=str)
        file.flush()
        os.fsync(file.fileno())
