# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Ops Manager knows, over one project or all that a key sees, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import FixInput
from ..api.client import Client
from ..api.reading import Resource
from ..model.deployment import Cluster
from ..model.project import Project, parts, pick, projects

#: What can be asked for, in the order of the answer.
KINDS = ("projects", "clusters", "backup_configurations", "agents", "alerts", "schedules", "snapshots", "windows")

#: What is asked for by default: there can be thousands of snapshots.
DEFAULT = tuple(kind for kind in KINDS if kind != "snapshots")

_AGENTS = ("BACKUP", "MONITORING", "AUTOMATION")


def gather(client: Client, place: Mapping[str, Any], kinds: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each kind; of one cluster and its parts where one is named, and what its project shares."""
    wanted = [kind for kind in KINDS if kind in set(kinds)]
    answer: dict[str, list[dict[str, Any]]] = {kind: [] for kind in wanted}
    for project, clusters in places(client, place):
        reader = _Reader(project, clusters, bool(place.get("cluster")))
        for kind in wanted:
            answer[kind].extend(reader.records(kind))
    return answer


def places(client: Client, place: Mapping[str, Any]) -> list[tuple[Project, list[Cluster]]]:
    """Return the projects that are meant, each with the clusters that are. Raises FixInput where a named cluster is in none."""
    found = [Project(client, place["project"])] if place.get("project") else projects(client)
    all_ = [(project, project.clusters()) for project in found]
    name = place.get("cluster")
    if not name:
        return all_
    if place.get("project"):
        return [(project, _with_parts(clusters, name)) for project, clusters in all_]
    having = [(project, clusters) for project, clusters in all_ if _has(clusters, name)]
    if not having:
        # Says what there is in all of them.
        pick([cluster for _project, clusters in all_ for cluster in clusters], name)
    return [(project, _with_parts(clusters, name)) for project, clusters in having]


def _has(clusters: Sequence[Cluster], name: str) -> bool:
    try:
        pick(clusters, name)
    except FixInput:
        return False
    return True


def _with_parts(clusters: Sequence[Cluster], name: str) -> list[Cluster]:
    whole = pick(clusters, name)
    return [whole, *(part for part in parts(clusters, whole) if part.id != whole.id)]


class _Reader:
    """Reads one project, as far as it belongs to the clusters."""

    def __init__(self, project: Project, clusters: Sequence[Cluster], only_these: bool) -> None:
        self._project = project
        self._clusters = clusters
        self._ids = {cluster.id for cluster in clusters} if only_these else None
        #: A sharded cluster has one schedule, and one snapshot at a time.
        self._jobs = [cluster for cluster in clusters if not cluster.is_part or (only_these and len(clusters) == 1)]

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of a kind, each with its project."""
        about = {"project_id": self._project.id, "project_name": self._project.name}
        if kind == "projects":
            return [about]
        return [{**about, **record.as_dict()} for record in self._read(kind)]

    def _read(self, kind: str) -> Sequence[Resource]:
        project = self._project
        if kind == "clusters":
            return self._clusters
        if kind == "backup_configurations":
            return [config for config in project.backup_configs() if self._is_meant(config.cluster_id)]
        if kind == "agents":
            return [agent for type_ in _AGENTS for agent in project.agents(type_)]
        if kind == "alerts":
            return [alert for alert in project.alerts("OPEN") if self._is_meant(alert.cluster_id)]
        if kind == "schedules":
            found = (project.schedule(cluster.id) for cluster in self._jobs)
            return [schedule for schedule in found if schedule is not None]
        if kind == "snapshots":
            return [one for cluster in self._jobs for one in project.snapshots(cluster.id, completed=None)]
        return project.windows()

    def _is_meant(self, cluster_id: str | None) -> bool:
        return self._ids is None or cluster_id in self._ids
