# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The place of a job in its project: which clusters, alerts, events and windows are about it, and which are not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..model import project as projects
from ..model.activity import Alert
from ..model.deployment import Cluster

#: The kinds of alerts that are about backups and agents when they name no cluster.
_BACKUP_KINDS = ("BACKUP", "AGENT")


@dataclass(frozen=True)
class Place:
    """A cluster, or one of its replica sets, among all clusters of its project."""

    clusters: Sequence[Cluster]
    cluster: Cluster

    @property
    def name(self) -> str:
        """What the job is called: a part of a cluster by its replica set."""
        whole = self.cluster.name or self.cluster.id
        return (self.cluster.replica_set or whole) if self.cluster.is_part else whole

    @cached_property
    def parent(self) -> Cluster | None:
        """The sharded cluster that the job is a part of; None when it is a whole."""
        if not self.cluster.is_part:
            return None
        return next((one for one in self.clusters if one.is_sharded and one.name == self.cluster.name), None)

    @property
    def whole(self) -> Cluster:
        """The cluster that has the snapshots: those of a part are shares of the whole's."""
        return self.parent or self.cluster

    @cached_property
    def parts(self) -> list[str]:
        """The replica sets of the job."""
        return [one.replica_set or one.name or one.id for one in projects.parts(self.clusters, self.cluster)]

    @cached_property
    def ids(self) -> set[str]:
        """The cluster and its parts."""
        return {self.cluster.id, *(one.id for one in projects.parts(self.clusters, self.cluster))}

    @cached_property
    def related(self) -> set[str]:
        """The same, and the cluster that the job is a part of."""
        return self.ids | {self.whole.id}

    @property
    def namesakes(self) -> list[Cluster]:
        """The other sharded clusters of the same name, whose parts cannot be told from those of this one."""
        if not (self.cluster.is_sharded or self.cluster.is_part):
            return []
        return [
            one for one in self.clusters if one.is_sharded and one.name == self.whole.name and one.id != self.whole.id
        ]

    @cached_property
    def shared_names(self) -> set[str]:
        """The replica sets of the job whose name another one has as well: events do not say of which cluster they are."""
        others = {one.replica_set for one in self.clusters if not one.is_sharded and one.id not in self.ids}
        return {part for part in self.parts if part in others}

    def has(self, cluster_id: str | None) -> bool:
        """Whether something that names this cluster, or none, can be the job's."""
        return cluster_id is None or cluster_id in self.ids

    def is_about_others(self, text: str) -> bool:
        """Whether a text names clusters of the project, and none of the job's."""
        named = {one.id for one in self.clusters if one.id in text}
        return bool(named) and not named & self.related

    def is_about(self, alert: Alert) -> bool:
        """Whether an alert is about the job, or about backups and agents in general."""
        if alert.cluster_id is not None:
            return alert.cluster_id in self.related
        if alert.replica_set is not None:
            return alert.replica_set in self.parts and alert.cluster in (None, self.cluster.name)
        if alert.cluster is not None:
            return alert.cluster == self.cluster.name
        # RESYNC_REQUIRED always names what has to be resynced; what names nothing is about the agents, and so about every job.
        kind = alert.raw.get("typeName")
        return kind in _BACKUP_KINDS or "AGENT" in (alert.event_type or "") or "BACKUP" in (alert.event_type or "")
