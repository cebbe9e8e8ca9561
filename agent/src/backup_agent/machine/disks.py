"""What a job will still write to its disks. One arithmetic, for the preflight of a resync and for the command `resources`.

Sizes are upper bounds where they can't be known: heads and slices are compressed, and that is not counted on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backup_agent.config import Config
from backup_agent.source.oplog import OplogUse
from backup_agent.state.room import local_repository
from backup_agent.state.store import Store
from backup_agent.values import Record

SLICES_FACTOR = 0.5
"""The slices of a sync, as a multiple of the data. Never more than the oplog: a sync that takes longer fails."""

FLOOR_BYTES = 1024**3
"""This much stays free whatever the reserve is, because journals, logs, reports and the state have no part of their own."""

CACHE_FACTOR = 0.02
"""restic's cache, as a multiple of the data: it keeps the index and the trees. Below 1 % was seen."""

CACHE_BYTES = 16 * 1024**2
"""restic's cache of a repository with next to nothing in it."""

HEAD_BYTES = 600 * 1024**2
"""What a head takes without data: its oplog of 256 MB, and three files of the journal of 100 MB each."""


@dataclass(frozen=True)
class Part:
    """Something that will be written to a directory; the bytes that are already there are not counted."""

    name: str
    path: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class Amount(Record):
    """What something takes."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Disk(Record):
    """A file system: what will be written to it, part by part with what is kept free, and what is free there."""

    device: str
    path: str
    needed_bytes: int
    free_bytes: int
    reserve_bytes: int
    parts: tuple[Amount, ...]


def stays_free(reserve_bytes: int) -> int:
    """Return how much of a disk is never counted on."""
    return max(FLOOR_BYTES, reserve_bytes)


def sync_slices(data_bytes: int, oplog: OplogUse | None) -> int:
    """Return what capture writes while everything is read again."""
    wanted = int(data_bytes * SLICES_FACTOR)
    return wanted if oplog is None else min(wanted, oplog.full_bytes)


def sync_bytes(data_bytes: int, oplog: OplogUse | None = None) -> int:
    """Return what a resync writes beside the head that it replaces: a second head, the scratch copy of the proof, slices."""
    return 2 * data_bytes + sync_slices(data_bytes, oplog)


def parts(config: Config, data_bytes: int, oplog: OplogUse) -> list[Part]:
    """Return all that this job will write from now on, up to a resync and its proof; `data_bytes` with indexes.

    Raises BadConfiguration when the state cannot be read.
    """
    generations, scratch = config.directory / "generations", config.scratch
    head = data_bytes + HEAD_BYTES
    current = _current_generation(config)
    unfinished = max((int(path.name) for path in generations.glob("[0-9]*")), default=0)
    begun = used_bytes(config.generation_directory(unfinished) / "head") if unfinished > (current or 0) else 0
    first, second = (head - begun, head) if current is None else (0, head - begun)
    captured = sum(used_bytes(path) for path in generations.glob("[0-9]*/slices"))
    kept = int(oplog.bytes_per_hour * config.slice_keep_hours)
    cache = config.directory / "restic-cache"
    repository = local_repository(config.repository.location)
    found = [
        Part("first head", generations, first),
        Part("second head", generations, second),
        Part("slices", generations, kept + sync_slices(data_bytes, oplog) - captured),
        Part("scratch copy of the proof", scratch, head - used_bytes(scratch)),
        Part("restic's cache", cache, CACHE_BYTES + int(data_bytes * CACHE_FACTOR) - used_bytes(cache)),
    ]
    if repository is not None and not any(repository.glob("snapshots/*")):
        found.append(Part("first snapshot", repository, data_bytes - used_bytes(repository)))
    return [part for part in found if part.bytes > 0]


def _current_generation(config: Config) -> int | None:
    if not config.state_file.exists():
        return None
    with contextlib.closing(Store(config.state_file, reading=True)) as store:
        return store.number("current")


def used_bytes(path: Path) -> int:
    """Return what the files below a directory take; those that go away meanwhile take nothing."""
    taken = 0
    for directory, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                taken += os.lstat(os.path.join(directory, name)).st_blocks * 512
    return taken


def by_device(found: Iterable[Part], reserve_bytes: int) -> list[Disk]:
    """Return each file system that will be written to."""
    devices: dict[int, tuple[Path, list[Amount]]] = {}
    for part in found:
        there = next(path for path in (part.path, *part.path.parents) if path.exists())
        kept = Amount("kept free", stays_free(reserve_bytes))
        _, amounts = devices.setdefault(there.stat().st_dev, (there, [kept]))
        amounts.append(Amount(part.name, part.bytes))
    return [_disk(device, *taken, stays_free(reserve_bytes)) for device, taken in devices.items()]


def _disk(device: int, path: Path, parts: list[Amount], reserve_bytes: int) -> Disk:
    return Disk(
        device=f"{os.major(device)}:{os.minor(device)}",
        path=str(path),
        needed_bytes=sum(part.bytes for part in parts),
        free_bytes=shutil.disk_usage(path).free,
        reserve_bytes=reserve_bytes,
        parts=tuple(parts),
    )
