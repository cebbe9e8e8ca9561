"""Whose snapshots a repository holds. Before it is deleted as a whole, there must be nobody's but those of the one who asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from backup_agent.errors import Refused
from backup_agent.repository.inventory import tags_of
from backup_agent.repository.restic import Listed, Restic


def others(listed: Iterable[Listed], job: str, agent: str | None) -> list[str]:
    """Return a phrase for each one else who has snapshots here: other jobs, other agents, and whoever is no agent. Pure.

    `agent` is who asks. None stands for one that does not know its name any more: then whatever has the name of an agent may be
    somebody else's.
    """
    found = Counter(whose for one in listed if (whose := _whose(tags_of(one), job, agent)))
    return [f"{number} {whose}" for whose, number in sorted(found.items())]


def _whose(tags: dict[str, str], job: str, agent: str | None) -> str:
    if "job" not in tags:
        return "that no agent has stored"
    if tags["job"] != job:
        return f"of the job {tags['job']}"
    name = tags.get("agent")
    if name is None or name == agent:  # agents of the versions before did not say who they are
        return ""
    return f"of {'another' if agent else 'an'} agent of this job, {name}"


def require_alone(restic: Restic, location: Path, job: str, agent: str | None) -> int:
    """Return how many snapshots of the job a repository on this machine holds, if it holds no other ones.

    Raises Refused for other ones, and what restic's errors mean: what cannot be read may hold anything.
    """
    if not location.exists() or not any(location.iterdir()):
        return 0
    listed = restic.snapshots()
    found = others(listed, job, agent)
    if found:
        raise Refused(
            f"expected snapshots of the job {job} and of this agent alone in {location}, found also {'; '.join(found)}; nothing "
            "is removed: remove those first, by their own agents or with restic forget, or keep the repository"
        )
    return len(listed)
