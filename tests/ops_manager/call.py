"""One request as a handler sees it, and the table of handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from werkzeug import Request, Response

from tests.ops_manager.paging import Listing
from tests.ops_manager.problems import Problem
from tests.ops_manager.records import Cluster, Job, Json, Project
from tests.ops_manager.world import World

Needs = Literal["nobody", "read", "backup", "monitoring", "automation", "global"]
#: What a handler returns: a resource, a list to be paged, a bare array, or a whole response.
Body = Json | Listing[Any] | list[Any] | Response
Result = Body | tuple[int, Body]
Kinds = type | tuple[type, ...]
ID = re.compile(r"[0-9a-f]{24}")


@dataclass
class Call:
    """What was asked: by the path, the query and the body."""

    world: World
    request: Request
    now: datetime
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        """The project of the path."""
        found = self.values["gid"]
        if not ID.fullmatch(found):
            raise Problem("INVALID_GROUP_ID", f"An invalid group ID {found} was specified.")
        if found not in self.world.projects:
            raise Problem("GROUP_NOT_FOUND", f"No group with ID {found} exists.")
        return self.world.projects[found]

    @property
    def cluster(self) -> Cluster:
        """The cluster of the path."""
        found = self.values["cid"]
        if not ID.fullmatch(found):
            raise Problem("INVALID_CLUSTER_ID", f"An invalid cluster ID {found} was specified.")
        if found not in self.project.clusters:
            raise Problem("CLUSTER_NOT_FOUND", f"No cluster with ID {found} exists in group {self.project.id}.")
        return self.project.clusters[found]

    @property
    def job(self) -> Job:
        """The backup of the cluster of the path, or of the cluster it is a part of."""
        job = self.project.job_of(self.cluster.id)
        if job is None:
            raise Problem("BACKUP_CONFIG_NOT_FOUND", f"No backup config exists for cluster {self.cluster.id}.")
        return job

    @property
    def spelling(self) -> str:
        return self.world.switches.spelling

    def time(self, moment: datetime | None) -> str | None:
        """Return a time as the API prints it."""
        if moment is None:
            return None
        form = "%Y-%m-%dT%H:%M:%S.%fZ" if self.world.switches.fractions else "%Y-%m-%dT%H:%M:%SZ"
        return moment.astimezone(UTC).strftime(form)

    def stamp(self, moment: datetime) -> Json:
        """Return a timestamp of the oplog as the API prints it."""
        return {"date": self.time(moment), "increment": 1}

    def path(self, *parts: str) -> str:
        """Return the address of something below the project of the path."""
        return "/".join([f"{self.world.base_url}/api/public/v1.0/groups/{self.project.id}", *parts])

    def links(self, *parts: str, **others: tuple[str, ...]) -> list[Json]:
        """Return the links of a resource: itself, its project, and others by the name of their relation."""
        found = [{"rel": "self", "href": self.path(*parts)}, {"rel": relation("group"), "href": self.path()}]
        found += [{"rel": relation(name), "href": self.path(*where)} for name, where in others.items()]
        return found

    def fields(self, allowed: Mapping[str, Kinds], required: Iterable[str] = ()) -> Json:
        """Return the body, an object with nothing but the allowed fields of the right types."""
        body = self.request.get_json(silent=True, force=True)
        if not isinstance(body, dict):
            raise Problem("INVALID_JSON", "Received JSON is malformed.")
        for name, value in body.items():
            if name not in allowed:
                raise Problem("INVALID_ATTRIBUTE", f"Invalid attribute {name} specified.")
            if not isinstance(value, allowed[name]):
                raise Problem("INVALID_ATTRIBUTE", f"Invalid attribute {name} specified: wrong type.")
        for name in required:
            if body.get(name) is None:
                raise Problem("MISSING_ATTRIBUTE", f"The required attribute {name} was not specified.")
        return body

    def moment(self, name: str, text: str | None) -> datetime | None:
        """Return a time of a body or query."""
        return None if text is None else moment_of(name, text)


def moment_of(name: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Problem("INVALID_ATTRIBUTE", f"Invalid attribute {name} specified: no ISO 8601 time.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def relation(name: str) -> str:
    return f"http://mms.mongodb.com/{name}"


def one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    """Refuse a value that is not in an enumeration."""
    if value not in allowed:
        raise Problem("INVALID_ENUM_VALUE", f"An invalid enumeration value {value} was specified for {name}.")


Handler = Callable[[Call], Result]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    needs: Needs
    access_list: bool
    """Whether the caller's address has to be on the access list of its key."""
    handler: Handler


ROUTES: list[Route] = []
PUBLIC = "/api/public/v1.0"


def route(
    method: str, path: str, needs: Needs = "read", access_list: bool = False, base: str = PUBLIC
) -> Callable[[Handler], Handler]:
    """Let a function answer a method of a path."""

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, base + path, needs, access_list, handler))
        return handler

    return register
