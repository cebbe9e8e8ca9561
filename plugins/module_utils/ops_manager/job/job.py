# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One job as the product shows it at one moment. Each thing is asked for when it is first needed, and once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any

from ...values import Answer, iso_of
from ..api.client import Client
from ..api.errors import ApiError
from ..api.reading import time_of
from ..model.activity import EVER, Agent, Alert, Event, MaintenanceWindow, Snapshot
from ..model.deployment import BackupConfig, Cluster, Host, Schedule
from ..model.project import Project, pick
from . import journal as journals
from . import syncs
from . import view as views
from .journal import Journal
from .oplog_measures import Measures
from .place import Place
from .view import View

#: Alerts that ask for a resync: the one for everybody, and the one for those who run the product.
REQUIRE_RESYNC = ("RESYNC_REQUIRED", "BACKUP_IN_UNEXPECTED_STATE")
#: How far back syncs are looked for when nothing else is asked for: more than the year after which one is due.
LOOK_BACK = timedelta(days=400)


class Job:
    """The backup of a cluster, or of one of its replica sets."""

    def __init__(self, project: Project, clusters: Sequence[Cluster], cluster: Cluster) -> None:
        self.project = project
        self.cluster = cluster
        self.place = Place(clusters, cluster)
        self._read_from: datetime | None = None
        self._read: list[Event] = []

    @classmethod
    def named(cls, client: Client, project: str | None, cluster: str | None) -> Job:
        """Find the job in its project."""
        found = Project(client, project)
        clusters = found.clusters()
        return cls(found, clusters, pick(clusters, cluster))

    def again(self) -> Job:
        """Return the same job, with nothing read yet."""
        return Job(self.project, self.place.clusters, self.cluster)

    @property
    def now(self) -> datetime:
        """The time of the product, by which its events and windows go; of this host before it has answered."""
        return self.project.client.server_time or datetime.now(timezone.utc)

    @property
    def name(self) -> str:
        """What the job is called."""
        return self.place.name

    @property
    def parts(self) -> list[str]:
        """The replica sets of the job."""
        return self.place.parts

    @property
    def snapshots_path(self) -> str:
        """The path of the snapshots. Those of a part are shares of the whole cluster's, and kept and given free with it."""
        return f"/clusters/{self.place.whole.id}/snapshots"

    def write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send a request that changes something in the project."""
        client, whole = self.project.client, self.project.path(path)
        if method == "delete":
            client.delete(whole)
            return {}
        found: Answer = getattr(client, method)(whole, body or {})
        return found

    def attempt(self, refusals: Collection[str], method: str, path: str, body: Mapping[str, Any] | None = None) -> bool:
        """Send such a request, and say whether it was done; it may also be refused with one of these codes."""
        try:
            self.write(method, path, body)
        except ApiError as error:
            if error.error_code not in refusals:
                raise
            return False
        return True

    @cached_property
    def config(self) -> BackupConfig:
        """The backup configuration."""
        return self.project.backup_config(self.cluster.id)

    @property
    def status(self) -> str:
        """Its state; what the product does not say is nothing that we could act on."""
        return self.config.status or "UNKNOWN"

    @cached_property
    def schedule(self) -> Schedule | None:
        """When snapshots are made; None where there is no schedule."""
        return self.project.schedule(self.cluster.id)

    @cached_property
    def agents(self) -> list[Agent]:
        """The backup agents of the project."""
        return self.project.agents("BACKUP")

    @cached_property
    def hosts(self) -> list[Host]:
        """The members of the job's replica sets."""
        return [
            host for host in self.project.hosts() if host.replica_set in self.parts and self.place.has(host.cluster_id)
        ]

    @property
    def data_bytes(self) -> int | None:
        """Documents and indexes: of each replica set the most that a member has."""
        sizes: dict[str, int] = {}
        for host in self.hosts:
            if host.data_bytes is not None and host.replica_set is not None:
                size = host.data_bytes + (host.index_bytes or 0)
                sizes[host.replica_set] = max(size, sizes.get(host.replica_set, 0))
        return sum(sizes.values()) if sizes else None

    @cached_property
    def measures(self) -> Measures:
        """The oplog window and the replication lag that the product has measured."""
        return Measures.of(self.project, self.hosts)

    @cached_property
    def alerts(self) -> list[Alert]:
        """The open alerts of the job, and those of backups and agents that name no cluster."""
        return [alert for alert in self.project.alerts("OPEN") if self.place.is_about(alert)]

    @property
    def requiring(self) -> list[Alert]:
        """The open alerts that ask for a resync; a sharded cluster can have one for each part."""
        return [alert for alert in self.alerts if alert.event_type in REQUIRE_RESYNC]

    @property
    def required(self) -> Alert | None:
        """One of them; None when there is none."""
        return next(iter(self.requiring), None)

    @cached_property
    def snapshots(self) -> list[Snapshot]:
        """All snapshots, also those that are being made, newest first."""
        return self.project.snapshots(self.place.whole.id, completed=None)

    @property
    def newest(self) -> Snapshot | None:
        """The newest complete snapshot from which everything can be restored."""
        return next((snapshot for snapshot in self.snapshots if snapshot.whole), None)

    def _events(self, since: datetime) -> list[Event]:
        """Return the events of this job's replica sets since a time; what has been read once is not asked for again."""
        if self._read_from is None or since < self._read_from:
            self._read = [one for one in self.project.events(syncs.TYPES, since) if one.created is not None]
            self._read_from = since
        return [event for event in self._read if self.place.has(event.cluster_id)]

    def syncs(self, since: datetime | None = None) -> list[syncs.Sync]:
        """Return the newest sync of each replica set since a time; of a name that two have, only what is told apart."""
        begin = self.now - LOOK_BACK if since is None else since
        shared = self.place.shared_names
        told = [one for one in self._events(begin) if one.cluster_id is not None or one.replica_set not in shared]
        known = {one.replica_set for one in told}
        parts = [part for part in self.parts if part not in shared or part in known]
        return syncs.syncs_of(told, parts, begin)

    @property
    def syncing(self) -> bool:
        """Whether an initial sync runs, or may run: of two replica sets with one name it is not known which one syncs."""
        begin = self.now - LOOK_BACK
        return any(sync.running for sync in syncs.syncs_of(self._events(begin), self.parts, begin))

    @property
    def syncing_in_project(self) -> list[str]:
        """The replica sets of the whole project that sync now, because the same agents serve all of its jobs."""
        begin = self.now - LOOK_BACK
        self._events(begin)
        all_ = self.place.clusters
        whole = [Job(self.project, all_, cluster) for cluster in all_ if not cluster.is_part]
        return sorted(part for job in whole for part in job._syncing_parts(self._read, begin))

    def _syncing_parts(self, read: list[Event], begin: datetime) -> list[str]:
        """Return the replica sets that sync, by events of the whole project that were read already."""
        self._read, self._read_from = read, begin
        running = [sync for sync in syncs.syncs_of(self._events(begin), self.parts, begin) if sync.running]
        # Asked only about what seems to sync. One that was broken off has no event of its end, but what came after it.
        if not running or self.status != views.ACTIVE:
            return []
        newest = max((one.made for one in self.snapshots if one.finished), default=begin)
        return [sync.part for sync in running if newest <= (sync.wanted or sync.started or begin)]

    def last_sync(self, within_days: int = 0) -> datetime | None:
        """Return when the last full sync of the whole job ended; None where one part has none so young, or one runs."""
        ends = [sync.finished for sync in self.syncs(self.now - max(LOOK_BACK, timedelta(days=within_days + 1)))]
        known = [end for end in ends if end is not None]
        return min(known) if known and len(known) == len(ends) else None

    @property
    def newest_resync_id(self) -> str | None:
        """The id under which the newest sync can be asked for; None when there was none."""
        moments = [sync.wanted or sync.started or sync.finished for sync in self.syncs()]
        known = [moment for moment in moments if moment is not None]
        return journals.new_id(min(known), journals.OBSERVED, False) if known else None

    @cached_property
    def windows(self) -> list[MaintenanceWindow]:
        """The maintenance windows of the project that have not ended."""
        return self.project.windows()

    def journals(self, kind: str) -> list[Journal]:
        """Return one's own records of this kind for this job, the oldest first."""
        return [one for one in self.overlapping(kind) if one.cluster == self.cluster.id]

    def overlapping(self, kind: str) -> list[Journal]:
        """Return the records of this kind that are about the job, a part of it, or the cluster that it is a part of."""
        # One that cannot be read must not stop the work on clusters that it is not about.
        ours = [
            one
            for one in self.windows
            if journals.is_ours(one.description) and not self.place.is_about_others(one.description or "")
        ]
        found = [journals.read(one.description or "", one.id, one.end, one.created) for one in ours]
        mine = [one for one in found if one.kind == kind and one.cluster in self.place.related]
        return sorted(mine, key=lambda one: (one.began, one.window))

    @property
    def muted_by_others(self) -> list[str]:
        """Windows of other people that mute alerts of backups now, in words."""
        return [
            f"{one.description or one.id} until {iso_of(one.end) if one.end else 'an unknown time'}"
            for one in self.windows
            if not journals.is_ours(one.description) and self._mutes(one)
        ]

    def _mutes(self, window: MaintenanceWindow) -> bool:
        return "BACKUP" in (window.alert_types or ()) and (window.start is None or window.start <= self.now)

    def view(self, journal: Journal) -> View:
        """Return the state since an operation began."""
        began = time_of(journal.began) or EVER
        required = self.required is not None
        closed = journal.required and not required and self._closed(journal)
        return View(self.now, self.status, self.syncs(began), required, self.snapshots, closed)

    @property
    def logs_syncs(self) -> bool:
        """Whether the product has ever logged a sync of this job, so that one of which nothing is logged has not been."""
        return any(sync.begun or sync.finished is not None for sync in self.syncs(EVER))

    def _closed(self, journal: Journal) -> bool:
        """Whether the alerts that asked for it have been closed. Whether a window hides them is not documented."""
        if not journal.alerts:
            return not any(self._mutes(one) for one in self.windows)
        return all(self.project.alert_status(one) == "CLOSED" for one in journal.alerts)
