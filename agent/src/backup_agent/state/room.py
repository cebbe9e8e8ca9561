"""Room on the disks: the agent stops before one is full, says which, and goes on by itself when there is room again.

A reserve is kept free on every disk, because a mongod or a state file that meets a full disk is worse off than one that waits.
Whatever fails while a disk is full is tried again when there is room. So a full disk is never taken
for a broken backup.
"""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
import sqlite3
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
from pymongo.errors import OperationFailure

from backup_agent.config import Config
from backup_agent.errors import Canceled, NoRoom, Refused, Shutdown
from backup_agent.state.records import Alert
from backup_agent.state.store import Store
from backup_agent.times import now_iso
from backup_agent.values import Json
from backup_agent.words import words

log = structlog.get_logger(__name__)

ALERT = "disk_full"
DIRECTORY, HEAD, SLICES, REPOSITORY = "directory", "head", "slices", "repository"
QUIET_SECONDS = 5.0
"""An alert that an error raised stays at least this long after the last such error."""

OUT_OF_DISK = 14031
"""OutOfDiskSpace of the server."""

FULL = (errno.ENOSPC, errno.EDQUOT)
SCHEME = re.compile(r"^[a-z0-9]+:")


@dataclass(frozen=True)
class Place:
    """What is on one disk: named after the first of the agent's directories that is on it."""

    name: str
    path: Path
    free_bytes: int
    needed_bytes: int

    @property
    def full(self) -> bool:
        """Whether it has less room than the reserve."""
        return self.free_bytes < self.needed_bytes

    @property
    def error(self) -> NoRoom:
        """What is said of it when it is full, by errors and alerts."""
        needed, free = self.needed_bytes, self.free_bytes
        text = f"{self.name}: expected {needed} bytes free in {self.path}, found {free}; make room, work waits for it"
        return NoRoom(text, self.name, directory=str(self.path), free_bytes=free, needed_bytes=needed)


def local_repository(location: str) -> Path | None:
    """Return the directory of a repository on a disk of this machine, None for any other."""
    location = location.removeprefix("local:")
    return None if SCHEME.match(location) else Path(location)


def _paths(config: Config, generation: int | None) -> Iterator[tuple[str, Path]]:
    yield DIRECTORY, config.directory
    if generation is not None:
        yield HEAD, config.generation_directory(generation) / "head"
        yield SLICES, config.generation_directory(generation) / "slices"
    repository = local_repository(config.repository.location)
    if repository is not None:
        yield REPOSITORY, repository


def places(config: Config, generation: int | None) -> dict[str, Place]:
    """Return where each of the agent's directories is: those on the same disk are one place. What is not there is left out."""
    found: dict[str, Place] = {}
    disks: dict[int, Place] = {}
    for name, path in _paths(config, generation):
        with contextlib.suppress(OSError):
            place = Place(name, path, shutil.disk_usage(path).free, config.disk_reserve_bytes)
            found[name] = disks.setdefault(path.stat().st_dev, place)
    return found


def unrecorded(config: Config, generation: int | None, alerts: Collection[Alert]) -> list[Alert]:
    """Return the alerts that the daemon would raise now and that are not in the state: on a full disk it cannot write them."""
    known = {alert.cause for alert in alerts if alert.kind == ALERT}
    errors = {place.name: place.error for place in places(config, generation).values() if place.full}
    return [Alert(ALERT, name, now_iso(), error.detail) for name, error in errors.items() if name not in known]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def says_full(error: BaseException) -> NoRoom | None:
    """Return the error that stands for a full disk, when this one or what caused it is one."""
    for cause in _causes(error):
        if isinstance(cause, NoRoom):
            return cause
        full = (
            (isinstance(cause, OSError) and cause.errno in FULL)
            or (isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode == sqlite3.SQLITE_FULL)
            or (isinstance(cause, OperationFailure) and cause.code == OUT_OF_DISK)
            or "No space left on device" in str(cause)
        )
        if full:
            return NoRoom(str(cause)[:300], HEAD if isinstance(cause, OperationFailure) else DIRECTORY)
    return None


class Room:
    """Watches the disks of one job. `require` and `explain` may be called by any thread, the others by the daemon's main one."""

    def __init__(self, config: Config, store: Store) -> None:
        """Alerts that a daemon before this one raised are taken over."""
        self._config, self._store = config, store
        self.generation: int | None = None
        """The generation that is worked on, which says where head and slices are."""

        self._noted: dict[str, float] = {}
        self._said: set[str] = set()
        self._open = {alert.cause for alert in store.alerts() if alert.kind == ALERT}

    def require(self, *names: str) -> None:
        """Raise NoRoom when the disk of one of these has less room than the reserve."""
        found = places(self._config, self.generation)
        for name in names:
            if name in found and found[name].full:
                raise found[name].error

    def explain(self, error: BaseException, *names: str) -> NoRoom | None:
        """Return NoRoom when an error comes of a full disk, or may: when it came while one of these disks was full."""
        if isinstance(error, (Canceled, Shutdown, Refused)) or not isinstance(error, Exception):
            return None
        found = says_full(error)
        if found is not None:
            return found
        try:
            self.require(*names)
        except NoRoom as full:
            reason = words(error)
            return NoRoom(f"{full.message} (found with: {reason[:200]})", full.place, **full.details)
        return None

    def note(self, error: NoRoom) -> None:
        """Raise the alert of an error that says that a disk is full."""
        place = places(self._config, self.generation).get(error.place)
        name = place.name if place else error.place
        self._noted[name] = time.monotonic()
        self._raise(name, error.detail)

    def cleared(self, name: str) -> None:
        """Note that a write succeeded there. For a disk that cannot be measured this is the only sign of room."""
        if places(self._config, self.generation).get(name) is None:
            self._close(name)

    def look(self) -> None:
        """Raise and close alerts by what is measured. Called once a second."""
        found = places(self._config, self.generation)
        errors = {place.name: place.error for place in found.values() if place.full}
        for name, error in errors.items():
            self._raise(name, error.detail)
        for name in (self._open | self._said) - set(errors):
            remote = name == REPOSITORY and name not in found
            if not remote and time.monotonic() - self._noted.get(name, 0.0) > QUIET_SECONDS:
                self._close(name)

    def _raise(self, name: str, detail: Json) -> None:
        if name in self._open:
            return
        if name not in self._said:
            self._said.add(name)
            log.error(ALERT, cause=name, reason=detail["message"])
        with contextlib.suppress(NoRoom):  # the state's own disk: `status` measures for itself
            self._store.raise_alert(ALERT, name, detail)
            self._open.add(name)

    def _close(self, name: str) -> None:
        try:
            self._store.close_alerts(ALERT, cause=name)
        except NoRoom:
            return
        self._open.discard(name)
        self._said.discard(name)
        self._noted.pop(name, None)
        log.info("disk has room again", cause=name)
