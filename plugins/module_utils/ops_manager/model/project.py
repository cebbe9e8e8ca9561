# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One project of Ops Manager, and what is read of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ...errors import FixInput, bad_option, sentence
from ...values import Answer, iso_or_none
from ..api.client import Client
from ..api.errors import ApiError
from ..api.reading import Kind
from . import activity, deployment

_ID = re.compile(r"[0-9a-fA-F]{24}")


def projects(client: Client) -> list[Project]:
    """Return all projects that the key sees, by name."""
    found = [Project(client, str(group["id"]), group.get("name")) for group in client.pages("/groups")]
    return sorted(found, key=lambda project: (project.name, project.id))


class Project:
    """A project by its id or its name, or by both. Each method asks; nothing is kept but what the project is."""

    def __init__(self, client: Client, project: str | None, name: str | None = None) -> None:
        if not project:
            raise bad_option("the project of the job in ops_manager.project", "none", "give its id or its name")
        self.client = client
        self._wanted = project
        self._id = project if name is not None or _ID.fullmatch(project) else None
        self._name = name

    @property
    def id(self) -> str:
        """Its id; a name is looked up once."""
        if self._id is None:
            group = self._found()
            self._id, self._name = str(group["id"]), group.get("name")
        return self._id

    @property
    def name(self) -> str:
        """Its name; an id is looked up once."""
        if self._name is None:
            self._name = self.client.get(self.path()).get("name") if self._id else self._wanted
        return self._name or self.id

    def path(self, rest: str = "") -> str:
        """Return the path of something in this project."""
        return f"/groups/{self.id}{rest}"

    def _found(self) -> Answer:
        try:
            return self.client.get(f"/groups/byName/{quote(self._wanted, safe='')}")
        except ApiError as error:
            # Not every version has this resource, and a name that does not exist is refused in several ways.
            if error.retry or error.status not in (400, 401, 403, 404, 405):
                raise
        groups = list(self.client.pages("/groups"))
        named = [group for group in groups if group.get("name") == self._wanted]
        if len(named) == 1:
            return named[0]
        seen = ", ".join(sorted(str(group.get("name")) for group in groups)) or "none"
        message = sentence(
            expected=f"one project named {self._wanted} that the API key sees",
            found=f"{len(named)} among: {seen}",
            remedy="correct ops_manager.project, or give its id",
        )
        raise FixInput(message, code="unknown_project", details={"project": self._wanted})

    def clusters(self) -> list[deployment.Cluster]:
        """Return the clusters: replica sets, whole sharded clusters and their parts."""
        return self._all(deployment.Cluster, "/clusters")

    def backup_configs(self) -> list[deployment.BackupConfig]:
        """Return how each cluster is backed up, and whether it is."""
        return self._all(deployment.BackupConfig, "/backupConfigs")

    def backup_config(self, cluster_id: str) -> deployment.BackupConfig:
        """Return how one cluster is backed up."""
        return deployment.BackupConfig.of(self.client.get(self.path(f"/backupConfigs/{quote(cluster_id, safe='')}")))

    def schedule(self, cluster_id: str) -> deployment.Schedule | None:
        """Return when the snapshots of a cluster are taken; None where it has no schedule."""
        path = self.path(f"/backupConfigs/{quote(cluster_id, safe='')}/snapshotSchedule")
        try:
            return deployment.Schedule.of(self.client.get(path))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def hosts(self, cluster_id: str | None = None) -> list[deployment.Host]:
        """Return the processes of a cluster, or all that are monitored."""
        return self._all(deployment.Host, "/hosts", clusterId=cluster_id)

    def agents(self, kind: str) -> list[activity.Agent]:
        """Return the agents of a type: BACKUP, MONITORING or AUTOMATION."""
        return self._all(activity.Agent, f"/agents/{quote(kind, safe='')}")

    def alerts(self, status: str | None = None) -> list[activity.Alert]:
        """Return the alerts of a status (OPEN, CLOSED, TRACKING), or all."""
        return self._all(activity.Alert, "/alerts", status=status)

    def alert_status(self, alert_id: str) -> str | None:
        """Return the status of one alert; None where the product does not show it."""
        try:
            return activity.Alert.of(self.client.get(self.path(f"/alerts/{quote(alert_id, safe='')}"))).status
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def events(self, types: Sequence[str] = (), since: datetime | None = None) -> list[activity.Event]:
        """Return the events of some types, or of all, the oldest first."""
        start = iso_or_none(since)
        found = self._all(activity.Event, "/events", eventType=list(types) or None, minDate=start)
        # What a version does not filter is filtered here.
        wanted = [event for event in found if not types or event.type in types]
        late = [event for event in wanted if since is None or event.created is None or event.created >= _second(since)]
        return sorted(late, key=lambda event: event.created or activity.EVER)

    def windows(self) -> list[activity.MaintenanceWindow]:
        """Return the maintenance windows that have not ended, by their beginning."""
        return sorted(
            self._all(activity.MaintenanceWindow, "/maintenanceWindows"),
            key=lambda window: window.start or activity.EVER,
        )

    def snapshots(self, cluster_id: str, completed: bool | None = True) -> list[activity.Snapshot]:
        """Return the snapshots of a cluster, the newest first: the complete ones, the others (False), or all (None)."""
        # Not every version knows the parameter; without it there are the complete ones.
        asked = {True: None, False: "false", None: "all"}[completed]
        path = f"/clusters/{quote(cluster_id, safe='')}/snapshots"
        found = self._all(activity.Snapshot, path, completed=asked)
        wanted = [one for one in found if completed is None or one.finished is completed]
        return sorted(wanted, key=lambda snapshot: snapshot.made, reverse=True)

    def measurements(self, host_id: str, names: Iterable[str]) -> list[activity.Measurement]:
        """Return metrics of a host over the last hour, by the minute."""
        path = self.path(f"/hosts/{quote(host_id, safe='')}/measurements")
        answer = self.client.get(path, granularity="PT1M", period="PT1H", m=list(names))
        return [activity.Measurement.of(one) for one in answer.get("measurements") or []]

    def _all(self, kind: type[Kind], rest: str, **query: Any) -> list[Kind]:
        return [kind.of(one) for one in self.client.pages(self.path(rest), **query)]


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def pick(clusters: Sequence[deployment.Cluster], id_or_name: str | None) -> deployment.Cluster:
    """Return the cluster that is meant. A name means the whole one; only what no whole one is called is the name of a part.

    Raises FixInput, which names what there is.
    """
    if not id_or_name:
        raise bad_option("the cluster of the job in ops_manager.cluster", "none", "give its id or its name")
    by_id = [one for one in clusters if one.id.lower() == id_or_name.lower()]
    whole = [one for one in clusters if not one.is_part and id_or_name in (one.name, one.replica_set)]
    part = [one for one in clusters if one.is_part and id_or_name in (one.replica_set, one.shard)]
    found = by_id or whole or part
    if len(found) == 1:
        return found[0]
    there = ", ".join(sorted(f"{one.name} ({one.id})" for one in found or clusters if found or not one.is_part))
    message = sentence(
        expected=f"one cluster {id_or_name} in the project",
        found=f"{len(found)}: {there}" if found else f"none; there is {there or 'no cluster at all'}",
        remedy="correct ops_manager.cluster, or give an id",
    )
    raise FixInput(message, code="unknown_cluster", details={"cluster": id_or_name})


def parts(clusters: Iterable[deployment.Cluster], cluster: deployment.Cluster) -> list[deployment.Cluster]:
    """Return the parts of a cluster among all of its project: what bears its name, since nothing else ties them together."""
    if not cluster.is_sharded:
        return [cluster]
    return [one for one in clusters if one.is_part and one.name == cluster.name]
