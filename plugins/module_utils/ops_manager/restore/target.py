# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory that a delivered snapshot is restored into: never one that holds anything else, and known to be finished or not.

While `.download` is in it with anything below, it is not finished; `.restored.json` says afterwards what it holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from ...errors import AskOperator, GiveUp, sentence
from ...values import Answer
from . import durable
from .own_directory import require_own

#: Everything is made in here. Its presence is the mark of an unfinished restore.
WORKING = ".download"
RECORD = ".restored.json"

# In the working directory: what is being moved up from it, so that nothing else is ever removed.
_NAMES = "names.json"
_BLOCK = 1024 * 1024
# Rewritten by the engine at every checkpoint: unchanged, no server has been started on the directory.
_CHECKPOINT = "WiredTiger.turtle"
# Fields of a plan that make two restores the same.
_SAME = ("project", "cluster", "snapshot")


@dataclass(frozen=True)
class Target:
    """One directory. With several parts each has a directory of its own below it."""

    path: str

    @property
    def working(self) -> str:
        """Where the restore is made before it is moved into place."""
        return os.path.join(self.path, WORKING)

    @property
    def data(self) -> str:
        """Where the files are unpacked to."""
        return os.path.join(self.working, "data")

    def check(self) -> None:
        """Require an empty directory, one that is not there, or what an unfinished restore left; and that it is nobody else's."""
        if os.path.lexists(self.path) and not os.path.isdir(self.path):
            raise _not_empty("something that is no directory", self.path, "choose another")
        held = self._held()
        record = self.record()
        if record is not None and not self._unfinished:
            used = "" if self._untouched(record) else ", on which a server has been started since,"
            found = f"the restore of snapshot {record['snapshot']}{used} that was made at {record['restored_at']}"
            raise _not_empty(found, self.path, "use it, or choose another directory", record=record)
        foreign = sorted(held - {WORKING} - self._moved())
        if foreign:
            found = f"{len(foreign)} files that this restore did not make, {foreign[0]} for one,"
            raise _not_empty(found, self.path, "choose another directory, or empty this one")
        require_own(self.path)
        require_own(self.working)

    def done(self, plan: Mapping[str, Any]) -> Answer | None:
        """Return the record of exactly this restore, finished and not used since, or None."""
        record = self.record()
        if record is None or self._unfinished:
            return None
        same = all(record[name] == plan[name] for name in _SAME)
        return _shown(record) if same and self._untouched(record) else None

    def record(self) -> Answer | None:
        """Return what a finished restore left, or None."""
        found = durable.read_json(os.path.join(self.path, RECORD))
        needed = {*_SAME, "restored_at", "checkpoints"}
        return found if isinstance(found, dict) and needed <= found.keys() else None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory, which is made when it is not there; refused while another restore fills it."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._lock(handle)
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = sentence(
                expected=f"that nobody else restores into {self.path}", found="another", remedy="wait for it"
            )
            raise AskOperator(message, code="target_busy") from None
        except OSError:
            pass  # a file system without locks: as good as it gets

    def clear(self) -> None:
        """Remove what an unfinished restore left, and begin a new one: the mark is there all the time."""
        os.makedirs(self.working, mode=0o700, exist_ok=True)
        for name in sorted(self._held() & self._moved()):
            durable.remove(os.path.join(self.path, name))
        self._empty_working()
        durable.remove_if_there(os.path.join(self.working, _NAMES))
        os.mkdir(self.data, mode=0o700)

    def abandon(self) -> None:
        """Remove what a failed restore made, and the directory's mark with it."""
        self._empty_working()
        for name in sorted(self._held() & self._moved()):
            durable.remove(os.path.join(self.path, name))
        self._take_mark_away()

    def move_into_place(self, record: Answer, parts: Sequence[str]) -> Answer:
        """Move the data up, make that durable with the record, and take the mark away.

        A crash at any point leaves what the same call starts over from: the names of what was moved are removed last.
        """
        names = sorted(os.listdir(self.data))
        taken = sorted({WORKING, RECORD} & set(names))
        if taken:
            message = sentence(
                expected="files of a mongod in the archive", found=f"one named {taken[0]}", remedy="see who made it"
            )
            raise GiveUp(message, code="unexpected_file")
        durable.write_json(os.path.join(self.working, _NAMES), [*names, RECORD])
        durable.sync(self.working)
        for name in names:
            os.rename(os.path.join(self.data, name), os.path.join(self.path, name))
        written = {**record, "checkpoints": {part: self._checkpoint(part) for part in parts}}
        durable.write_json(os.path.join(self.path, RECORD), written)
        durable.sync(self.path)
        self._empty_working()
        durable.sync(self.working)
        self._take_mark_away()
        return _shown(written)

    def _empty_working(self) -> None:
        """Leave nothing in the working directory but the names of what was moved."""
        for name in os.listdir(self.working):
            if name != _NAMES:
                durable.remove(os.path.join(self.working, name))

    def _take_mark_away(self) -> None:
        durable.remove_if_there(os.path.join(self.working, _NAMES))
        os.rmdir(self.working)
        durable.sync(self.path)  # a mark that came back after a power cut would make a directory in use look unfinished

    @property
    def _unfinished(self) -> bool:
        """Whether the mark is there. Empty and beside a record it is no mark: only its own removal was interrupted."""
        try:
            return bool(os.listdir(self.working)) or self.record() is None
        except FileNotFoundError:
            return False

    def _held(self) -> set[str]:
        return set(os.listdir(self.path)) if os.path.isdir(self.path) else set()

    def _moved(self) -> set[str]:
        found = durable.read_json(os.path.join(self.working, _NAMES))
        return {str(name) for name in found} - {WORKING} if isinstance(found, list) else set()

    def _checkpoint(self, part: str) -> str | None:
        try:
            with open(os.path.join(self.path, part, _CHECKPOINT), "rb") as file:
                return _sha256(file)
        except OSError:
            return None

    def _untouched(self, record: Answer) -> bool:
        found = record["checkpoints"]
        return bool(found) and all(seen is not None and seen == self._checkpoint(part) for part, seen in found.items())


def _sha256(file: IO[bytes]) -> str:
    found = hashlib.sha256()
    for block in iter(lambda: file.read(_BLOCK), b""):
        found.update(block)
    return found.hexdigest()


def _shown(record: Answer) -> Answer:
    return {name: value for name, value in record.items() if name != "checkpoints"}


def _not_empty(found: str, path: str, remedy: str, **details: Any) -> AskOperator:
    message = sentence(expected=f"an empty directory as the target {path}", found=found, remedy=remedy)
    return AskOperator(message, code="target_not_empty", details=details)
