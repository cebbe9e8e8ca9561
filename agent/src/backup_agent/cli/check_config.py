"""`check-config`: checks everything that the configuration names; each check has the value found and the remedy."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable

from backup_agent.config import Config
from backup_agent.errors import AgentError, BadConfiguration
from backup_agent.head import mongod_version
from backup_agent.repository.inventory import summary
from backup_agent.source.connections import SourceSet
from backup_agent.values import Check


def _directory(config: Config) -> str:
    path = config.directory
    nearest = next(p for p in (path, *path.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise BadConfiguration(
            f"directory: expected one that user {os.geteuid()} may write, found {nearest}: {error.strerror}; "
            f"create {path} and give it to that user"
        ) from error
    return f"{path} can be written"


def _mongod(config: Config) -> str:
    return f"{config.head.mongod} is MongoDB {mongod_version(config.head.mongod)}"


def _source(config: Config) -> str:
    with contextlib.closing(SourceSet(config)) as sources:
        topology = sources.topology()
    missing = [m.member for m in topology.members if m.state in ("UNKNOWN", "(not reachable/healthy)")]
    if missing:
        raise BadConfiguration(
            f"source: expected every member to answer, these do not: {', '.join(missing)}; start them"
        )
    return "; ".join((f"{len(topology.members)} members, {topology.why()}", *topology.warnings))


def _versions(config: Config) -> str:
    with contextlib.closing(SourceSet(config)) as sources:
        found = sources.version()
    head = mongod_version(config.head.mongod)
    if found.split(".")[:2] != head.split(".")[:2]:
        raise BadConfiguration(
            f"head.mongod: expected the source's major version, {found}, found {head}; install that version"
        )
    return f"source {found}, head {head}"


def check(config: Config) -> list[Check]:
    """Return the result of every check; none stops the others."""
    looks = {
        "directory": _directory,
        "head.mongod": _mongod,
        "source": _source,
        "version": _versions,
        "repository": summary,
    }
    return [_checked(name, look, config) for name, look in looks.items()]


def _checked(name: str, look: Callable[[Config], str], config: Config) -> Check:
    try:
        return Check(name, ok=True, detail=look(config))
    except AgentError as error:
        detail = error.message
    except OSError as error:
        detail = f"expected to read and write its files, found: {error}"
    return Check(name, ok=False, detail=detail, remedy=f"correct {name} in the configuration")
