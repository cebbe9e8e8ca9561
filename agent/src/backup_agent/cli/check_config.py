"""`check-config`: everything the configuration names is looked at, each with the value found and the remedy."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from pymongo.errors import PyMongoError

from backup_agent.config import Config, fingerprint
from backup_agent.errors import AgentError, BadConfiguration
from backup_agent.head import mongod_version
from backup_agent.repository.inventory import summary
from backup_agent.source.connections import SourceSet
from backup_agent.values import Json


def _result(name: str, detail: str) -> Json:
    return {"name": name, "ok": True, "detail": detail, "remedy": ""}


def _failure(name: str, error: AgentError) -> Json:
    return {"name": name, "ok": False, "detail": error.message, "remedy": f"correct {name} in the configuration"}


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
    sources = SourceSet(config)
    try:
        topology = sources.topology()
        missing = [m.member for m in topology.members if m.state in ("UNKNOWN", "(not reachable/healthy)")]
    finally:
        sources.close()
    if missing:
        raise BadConfiguration(
            f"source: expected every member to answer, these do not: {', '.join(missing)}; start them"
        )
    return f"{len(topology.members)} members, {topology.why()}"


def _versions(config: Config) -> str:
    sources = SourceSet(config)
    try:
        found = sources.seeds().admin.command("buildInfo")["version"]
    except PyMongoError as error:  # the check "source" says what is wrong with the connection
        raise BadConfiguration(f"the source's version is not known: {type(error).__name__}") from error
    finally:
        sources.close()
    head = mongod_version(config.head.mongod)
    if found.split(".")[:2] != head.split(".")[:2]:
        raise BadConfiguration(
            f"head.mongod: expected the source's major version, {found}, found {head}; install that one"
        )
    return f"source {found}, head {head}"


def check(config: Config, path: Path) -> Json:
    """Return the result of every check; none stops the others."""
    names = {
        "directory": _directory,
        "head.mongod": _mongod,
        "source": _source,
        "version": _versions,
        "repository": summary,
    }
    results = []
    for name, look in names.items():
        try:
            results.append(_result(name, look(config)))
        except AgentError as error:
            results.append(_failure(name, error))
        except OSError as error:
            results.append(_failure(name, AgentError(f"expected to read and write its files, found: {error}")))
    return {"job": config.job, "config_sha256": fingerprint(path), "checks": results}
