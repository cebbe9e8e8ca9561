"""Checks that this machine reaches every member of the source, with the job's own TLS and login."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pymongo.errors import PyMongoError

from backup_agent.source.connections import SourceSet, reason
from backup_agent.values import Document, Record


@dataclass(frozen=True, slots=True)
class Reached(Record):
    """Whether a member is reached, and what it said."""

    member: str
    ok: bool
    detail: str


def reach(sources: SourceSet, configuration: Document, replica_set: str) -> list[Reached]:
    """Connect to all members at once; returns what each of them said, in the order of the set's configuration.

    A member counts as reached when it answers as one of the set. An arbiter knows no users: nobody can log in there.
    """
    members = configuration["members"]
    with ThreadPoolExecutor(max_workers=len(members)) as threads:
        return list(threads.map(lambda member: _greeted(sources, member, replica_set), members))


def _greeted(sources: SourceSet, member: Document, replica_set: str) -> Reached:
    host, arbiter = str(member["host"]), bool(member.get("arbiterOnly", False))
    try:
        hello = sources.greet(host, login=not arbiter)
    except PyMongoError as error:
        return Reached(host, False, reason(error))
    if hello.get("setName") != replica_set:
        found = hello.get("setName") or "no set (it was removed from it, or never added)"
        return Reached(host, False, f"expected a member of {replica_set}, found one of {found}")
    return Reached(host, True, "reached; an arbiter, which has no login" if arbiter else "reached")
