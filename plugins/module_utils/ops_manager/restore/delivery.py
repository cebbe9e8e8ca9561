# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring a snapshot of Ops Manager here and now: ordered by the API, downloaded, compared with its checksum, unpacked."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ...errors import AskOperator, FixInput, GiveUp, sentence
from ...values import Answer, iso_of, iso_or_none
from ..api.client import Client
from ..api.reading import time_of
from ..api.transport import Connection
from ..model.activity import Part, Snapshot
from . import durable
from .archive import data_directory, unpack
from .download import Download, Downloaded
from .restore_jobs import Delivery, Patience, RestoreJobs, source_of
from .snapshot_parts import demand_complete, newest, optime, parts_of
from .target import Target

_FULL = (errno.ENOSPC, errno.EDQUOT)
#: How long the address of an archive is good.
# Files that were written while they were copied are larger than was said, but not by much.
_MORE_THAN_SAID = 2
_MORE_BYTES = 1024**3
_EXPIRATION_HOURS = 24


@dataclass(frozen=True)
class Order:
    """Which snapshot of which cluster is wanted where."""

    project: str
    #: The id of the cluster.
    cluster: str
    target: str
    #: The newest complete one where no id is given.
    snapshot: str | None = None
    #: A point in time, which is refused.
    time: str | None = None
    #: How the job is called in answers.
    job: str | None = None
    patience: Patience = field(default_factory=Patience)

    @property
    def path(self) -> str:
        """The cluster in the API."""
        return f"/groups/{self.project}/clusters/{self.cluster}"


def plan(api: Client, order: Order) -> Answer:
    """Return what `restore` would do, with the same refusals; nothing is changed."""
    planned, parts = _planned(api, order)
    target = Target(os.path.abspath(order.target))
    done = target.done(planned)
    if done is not None:
        return _answer(False, None, done)
    target.check()
    _demand_room(order.target, parts)
    return _answer(True, planned, None)


def restore(api: Client, network: Connection, order: Order) -> Answer:
    """Restore the snapshot, and return when it has been done; a directory that holds just that is no change.

    Whatever fails, nothing that a server could be started on is left behind.
    """
    planned, parts = _planned(api, order)
    target = Target(os.path.abspath(order.target))
    with _disk_errors(order.target):
        if not os.path.isdir(order.target):
            target.check()
        with target.locked():
            done = target.done(planned)
            if done is not None:
                return _answer(False, None, done)
            target.check()
            _demand_room(order.target, parts)
            target.clear()
            with ExitStack() as unless_finished:
                unless_finished.callback(target.abandon)
                record = _Restore(api, network, order, parts, target).run(planned)
                unless_finished.pop_all()
    return _answer(True, planned, record)


def _answer(changed: bool, planned: Answer | None, record: Answer | None) -> Answer:
    return {"changed": changed, "attached": False, "plan": planned, "operation": None, "restore": record}


def _planned(api: Client, order: Order) -> tuple[Answer, Sequence[Part]]:
    if order.time is not None:
        message = sentence(
            expected="a snapshot, since Ops Manager delivers points in time only to a cluster that it manages itself",
            found=f"the point in time {order.time}",
            remedy="name a snapshot, or order an automated restore in Ops Manager",
        )
        raise FixInput(message, code="point_in_time_by_http")
    snapshots = f"{order.path}/snapshots"
    if order.snapshot is None:
        found = newest([Snapshot.of(one) for one in api.pages(snapshots, completed="true")])
    else:
        found = demand_complete(Snapshot.of(api.get(f"{snapshots}/{order.snapshot}")))
    parts = parts_of(found)
    return _described(order, found, parts), parts


def _described(order: Order, snapshot: Snapshot, parts: Sequence[Part]) -> Answer:
    reached = optime(snapshot.raw.get("lastOplogAppliedTimestamp")) or optime(snapshot.raw.get("created"))
    return {
        "job": order.job or order.cluster,
        "project": order.project,
        "cluster": order.cluster,
        "snapshot": snapshot.id,
        "snapshot_expires": iso_or_none(snapshot.expires),
        "snapshot_optime": reached,
        "until": reached,
        "replayed_seconds": 0,
        "target": order.target,
        "server_version": parts[0].version,
        "data_bytes": sum(part.data_bytes or 0 for part in parts),
        "file_bytes": sum(part.file_bytes or 0 for part in parts),
        "parts": [{"name": part.name, "directory": directory} for part, directory in _directories(parts)],
        "encrypted": any(part.encrypted for part in parts),
        "possibly_inconsistent": bool(snapshot.possibly_inconsistent),
        "missing_shards": list(snapshot.missing_shards),
    }


def _directories(parts: Sequence[Part]) -> list[tuple[Part, str]]:
    """Return where below the target each part goes: the only one to its top."""
    return [(part, part.name if len(parts) > 1 else "") for part in parts]


def _demand_room(target: str, parts: Sequence[Part]) -> None:
    """Refuse what will not fit: all files, and beside them one archive, which is removed when it has been unpacked."""
    files = sum(part.file_bytes or part.data_bytes or 0 for part in parts)
    archive = max(part.stored_bytes or part.file_bytes or 0 for part in parts)
    durable.demand_room(files + archive, os.path.abspath(target))


@contextmanager
def _disk_errors(path: str) -> Iterator[None]:
    """Say in our words what a disk could not do."""
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        remedy = "make room, then run this again" if full else "see to it, then run this again"
        message = sentence(expected=f"to write to {path}", found=error.strerror or type(error).__name__, remedy=remedy)
        raise AskOperator(message, code="no_room" if full else "target_not_writable") from None


class _Restore:
    """One restore, part by part."""

    def __init__(self, api: Client, network: Connection, order: Order, parts: Sequence[Part], target: Target) -> None:
        self._api, self._network = api, network
        self._order, self._parts, self._target = order, parts, target

    def run(self, planned: Answer) -> Answer:
        """Fill the target and return its record."""
        delivery = Delivery(
            self._api, f"{self._order.path}/restoreJobs", planned["snapshot"], self._parts, self._order.patience
        )
        jobs = delivery.usable() or delivery.order(_EXPIRATION_HOURS, time_of(planned["snapshot_expires"]))
        jobs = delivery.wait(jobs)
        archives = [
            self._deliver(delivery, jobs, number, directory)
            for number, (_part, directory) in enumerate(_directories(self._parts))
        ]
        record = {
            **planned,
            "entries": 0,
            "restored_at": iso_of(datetime.now(timezone.utc)),
            "restore_jobs": jobs.names,
            "reused_jobs": jobs.reused,
            "archives": archives,
        }
        return self._target.move_into_place(record, [directory for _part, directory in _directories(self._parts)])

    def _deliver(self, delivery: Delivery, jobs: RestoreJobs, number: int, directory: str) -> Answer:
        """Download, compare and unpack the archive of one part."""
        archive = os.path.join(self._target.working, f"{number}.tar.gz")
        source = source_of(jobs.found[number])
        downloaded = Download(source, archive, self._network).run()
        _compare(downloaded, delivery.checksum(jobs, number), jobs.names[number])
        unpacked = os.path.join(self._target.working, f"{number}.unpacked")
        os.mkdir(unpacked, 0o700)
        unpack(archive, unpacked, _most_bytes(self._parts[number]))
        durable.remove(archive)
        self._place(data_directory(unpacked), directory)
        return {
            "part": self._parts[number].name,
            "sha1": downloaded.sha1,
            "bytes": downloaded.bytes,
            "compared": True,
        }

    def _place(self, found: str, directory: str) -> None:
        where = os.path.join(self._target.data, directory)
        if not directory:
            os.rmdir(where)
        os.rename(found, where)


def _most_bytes(part: Part) -> int | None:
    """Return how much an archive may become; None where Ops Manager does not say how large the files were."""
    return None if part.file_bytes is None else _MORE_THAN_SAID * part.file_bytes + _MORE_BYTES


def _compare(downloaded: Downloaded, expected: str | None, job: str) -> None:
    """Demand the checksum that Ops Manager has for an archive. Without one nobody knows whether all of it arrived."""
    if expected is None:
        message = sentence(
            expected=f"a SHA-1 of the archive from restore job {job}",
            found="none",
            remedy="see the job in Ops Manager",
        )
        raise GiveUp(message, code="no_checksum")
    if expected != downloaded.sha1:
        message = sentence(
            expected=f"an archive of SHA-1 {expected} from restore job {job}",
            found=downloaded.sha1,
            remedy="nothing of it was unpacked: run this again",
        )
        raise GiveUp(message, code="checksum_mismatch", details={"expected": expected, "found": downloaded.sha1})
