# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One job as the product shows it at one moment. Each thing is asked for when it is first needed, and once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import project as projects
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import syncs
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager import view as views
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.activity import Agent, Alert, Window
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.client import Answer, Client
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.deployment import (
    BackupConfig,
    Cluster,
    Host,
    Schedule,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.journal import Journal
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.oplog_measures import Measures
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.project import Project
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.reading import iso_of, time_of
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.view import Snapshot, View

#: Alerts that ask for a resync: the one for everybody, and the one of whoever runs the product.
REQUIRE_RESYNC = ("RESYNC_REQUIRED", "BACKUP_IN_UNEXPECTED_STATE")
#: The kinds of alerts that are about backups and agents when they name no cluster.
_BACKUP_KINDS = ("BACKUP", "AGENT")
_EVER = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Job:
    """The backup of a cluster, or of one of its replica sets."""

    def __init__(self, project: Project, clusters: Sequence[Cluster], cluster: Cluster) -> None:
        self.project = project
        self.cluster = cluster
        self._clusters = clusters

    @classmethod
    def named(cls, client: Client, project: str | None, cluster: str | None) -> Job:
        """Find the job in its project."""
        found = Project(client, project)
        return cls(found, found.clusters(), found.cluster(cluster))

    def again(self) -> Job:
        """Return the same job, to be asked about anew."""
        return Job(self.project, self._clusters, self.cluster)

    @property
    def now(self) -> datetime:
        """The time of the product, by which its events and windows go; of this host before it has answered."""
        return self.project.client.server_time or datetime.now(timezone.utc)

    @property
    def name(self) -> str:
        """What the job is called: a part of a cluster by its replica set."""
        whole = self.cluster.name or self.cluster.id
        return (self.cluster.replica_set or whole) if self.cluster.is_part else whole

    @property
    def parent(self) -> Cluster | None:
        """The sharded cluster that the job is a part of; None when it is a whole."""
        if not self.cluster.is_part:
            return None
        return next((one for one in self._clusters if one.is_sharded and one.name == self.cluster.name), None)

    @property
    def parts(self) -> list[str]:
        """The replica sets of the job."""
        return [one.replica_set or one.name or one.id for one in projects.parts(self._clusters, self.cluster)]

    @property
    def _ids(self) -> set[str]:
        return {self.cluster.id, *(one.id for one in projects.parts(self._clusters, self.cluster))}

    def write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send a request that changes something in the project."""
        client, whole = self.project.client, self.project.path(path)
        if method == "delete":
            client.delete(whole)
            return {}
        found: Answer = getattr(client, method)(whole, body or {})
        return found

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
            host for host in self.project.hosts() if host.replica_set in self.parts and self._is_mine(host.cluster_id)
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
        return [alert for alert in self.project.alerts("OPEN") if self._is_about_me(alert)]

    @property
    def required(self) -> Alert | None:
        """The open alert that asks for a resync; None when there is none."""
        return next((alert for alert in self.alerts if alert.event_type in REQUIRE_RESYNC), None)

    @cached_property
    def snapshots(self) -> list[Snapshot]:
        """All snapshots, also those that are being made, newest first."""
        return [
            Snapshot(
                one.id,
                one.created or _EVER,
                one.complete is not False,
                bool(one.do_not_delete),
                None if one.expires is None else iso_of(one.expires),
            )
            for one in self.project.snapshots(self.cluster.id, completed=None)
        ]

    @cached_property
    def _project_events(self) -> list[syncs.Event]:
        return [
            syncs.Event(one.type, one.created, one.replica_set, one.cluster_id)
            for one in self.project.events(syncs.TYPES)
            if one.type is not None and one.created is not None
        ]

    @property
    def _events(self) -> list[syncs.Event]:
        return [event for event in self._project_events if self._is_mine(event.cluster)]

    def syncs(self, since: datetime = _EVER) -> list[syncs.Sync]:
        """Return the newest sync of each replica set since a time."""
        return syncs.syncs_of(self._events, self.parts, since)

    @property
    def syncing(self) -> bool:
        """Whether an initial sync runs."""
        return any(sync.running for sync in self.syncs())

    @property
    def syncing_in_project(self) -> list[str]:
        """The replica sets of the whole project that sync now, because the same agents serve all of its jobs."""
        return sorted(
            part for cluster in self._clusters if not cluster.is_part for part in self._syncing_parts(cluster)
        )

    def _syncing_parts(self, cluster: Cluster) -> list[str]:
        job = Job(self.project, self._clusters, cluster)
        events = [event for event in self._project_events if job._is_mine(event.cluster)]
        running = [sync for sync in syncs.syncs_of(events, job.parts, _EVER) if sync.running]
        # Asked only about what seems to sync. One that was broken off has no event of its end, but what came after it.
        if not running or job.status != views.ACTIVE:
            return []
        newest = max((one.created for one in job.snapshots if one.complete), default=_EVER)
        return [sync.part for sync in running if newest <= (sync.wanted or sync.started or _EVER)]

    @property
    def last_sync(self) -> datetime | None:
        """When the last full sync of the whole job ended; None where one part has none, or one runs."""
        ends = [sync.finished for sync in self.syncs()]
        known = [end for end in ends if end is not None]
        return min(known) if known and len(known) == len(ends) else None

    @property
    def newest_resync_id(self) -> str | None:
        """The id under which the newest sync can be asked for; None when there was none."""
        moments = [sync.wanted or sync.started or sync.finished for sync in self.syncs()]
        known = [moment for moment in moments if moment is not None]
        return journals.new_id(min(known), journals.OBSERVED, False) if known else None

    @cached_property
    def windows(self) -> list[Window]:
        """The maintenance windows of the project that have not ended."""
        return self.project.windows()

    def journals(self, kind: str) -> list[Journal]:
        """Return one's own records of this kind for this job, the oldest first."""
        ours = [one for one in self.windows if journals.is_ours(one.description)]
        found = [journals.read(one.description or "", one.id, one.end) for one in ours]
        mine = [one for one in found if one.kind == kind and one.cluster == self.cluster.id]
        return sorted(mine, key=lambda one: (one.began, one.window))

    @property
    def muted_by_others(self) -> list[str]:
        """Windows of other people that mute alerts of backups now, in words."""
        return [
            f"{one.description or one.id} until {iso_of(one.end) if one.end else 'an unknown time'}"
            for one in self.windows
            if not journals.is_ours(one.description)
            and "BACKUP" in (one.alert_types or ())
            and (one.start is None or one.start <= self.now)
        ]

    def view(self, journal: Journal) -> View:
        """Return the state since an operation began."""
        began = time_of(journal.began) or _EVER
        return View(self.now, self.status, self.syncs(began), self.required is not None, self.snapshots)

    def _is_mine(self, cluster: str | None) -> bool:
        return cluster is None or cluster in self._ids

    def _is_about_me(self, alert: Alert) -> bool:
        if alert.cluster_id is not None:
            return alert.cluster_id in self._ids or (self.parent is not None and alert.cluster_id == self.parent.id)
        if alert.replica_set is not None:
            return alert.replica_set in self.parts
        if alert.cluster is not None:
            return alert.cluster == self.cluster.name
        # RESYNC_REQUIRED always names what has to be resynced; what names nothing is about the agents, and so about every job.
        kind = alert.raw.get("typeName")
        return kind in _BACKUP_KINDS or "AGENT" in (alert.event_type or "") or "BACKUP" in (alert.event_type or "")
