"""What a repository holds of a job, and which optimes can be restored from it. Known from restic's tags alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import structlog
from bson.timestamp import Timestamp

from backup_agent.config import Config
from backup_agent.errors import BadConfiguration, NotFound
from backup_agent.repository.failures import RepositoryMissing
from backup_agent.repository.restic import Listed, Restic, cache_of, only
from backup_agent.state.store import Store
from backup_agent.times import moment, show, timestamp_json
from backup_agent.values import Json, Record

log = structlog.get_logger(__name__)

SLICES = "slices"


def stamp(ts: Timestamp) -> str:
    """Return a timestamp as it stands in a tag, which must not contain a comma."""
    return f"{ts.time}-{ts.inc}"


def unstamp(text: str) -> Timestamp:
    """Read what `stamp` returned."""
    seconds, _, increment = text.partition("-")
    return Timestamp(int(seconds), int(increment))


Line = tuple[int, str]
"""A generation, and the replica set that it is a copy of: the same of a snapshot and of the oplog that is replayed on it."""


@dataclass(frozen=True)
class _Stored:
    """What an agent has stored of a generation."""

    id: str
    generation: int
    replica_set: str = field(default="", kw_only=True)
    """The id of the set that it is of; nothing where the agent was too old to say it."""

    @property
    def line(self) -> Line:
        """What it belongs to."""
        return self.generation, self.replica_set


@dataclass(frozen=True)
class Snapshot(_Stored):
    """A stored copy of a head at one optime; replay on it reads from `reads_from`."""

    name: str
    optime: Timestamp
    reads_from: Timestamp
    created_at: str


@dataclass(frozen=True)
class Archive(_Stored):
    """Stored slices: every entry from `first` to `through`, both included."""

    first: Timestamp
    through: Timestamp


@dataclass(frozen=True, slots=True)
class Archived(Record):
    """How far the oplog of a generation is in the repository: that of the last upload, and how the last attempt ended."""

    SPARSE: ClassVar = True

    generation: int | None = None
    through: Timestamp | None = None
    at: str | None = None
    tried_at: str | None = None
    ok: bool = False
    reason: str | None = None
    ids: tuple[str, ...] | None = None
    """restic's ids of what the agent has stored itself and has not forgotten; None where the version before did not keep them.

    Of the last upload that can be the first digits, until the repository has been listed.
    """

    @property
    def adopts(self) -> bool:
        """Whether what is in the repository the first time is to be taken for the agent's own: nothing better is known."""
        return self.ids is None and self.through is not None


@dataclass(frozen=True)
class Range(Record):
    """Optimes of one generation that can be restored, both ends included."""

    generation: int
    since: Timestamp
    until: Timestamp

    def to_json(self) -> Json:
        """Return the contract's form."""
        ends = {"from": timestamp_json(self.since), "to": timestamp_json(self.until)}
        return {"generation": self.generation, **ends, "seconds": self.until.time - self.since.time}

    def __str__(self) -> str:
        """Return it as a part of a sentence."""
        return f"{show(self.since)} to {show(self.until)} (generation {self.generation})"


@dataclass(frozen=True)
class Inventory:
    """Everything that a repository holds of a job, oldest first; `jobs` names every job that has something in it."""

    snapshots: tuple[Snapshot, ...]
    archives: tuple[Archive, ...]
    job: str | None = None
    jobs: tuple[str, ...] = ()

    def ranges(self) -> list[Range]:
        """Return the optimes that can be restored, oldest first: single ones of snapshots, and stretches of oplog after them."""
        found: list[Range] = []
        line: Line | None = None
        for snapshot in sorted(self.snapshots, key=lambda s: (s.line, s.optime)):
            until = snapshot.optime
            for stretch in stretches(a for a in self.archives if a.line == snapshot.line):
                if stretch.first <= snapshot.reads_from and stretch.through > until:
                    until = stretch.through
            last = found[-1] if found else None
            if last is not None and line == snapshot.line and snapshot.optime <= last.until:
                found[-1] = Range(last.generation, last.since, max(last.until, until))
            else:
                found.append(Range(snapshot.generation, snapshot.optime, until))
            line = snapshot.line
        return found

    def snapshot(self, name: str) -> Snapshot:
        """Return a snapshot by its name. Raises NotFound."""
        for found in self.snapshots:
            if found.name == name:
                return found
        names = ", ".join(s.name for s in self.snapshots) or "none"
        raise NotFound(f"expected the name of a snapshot in the repository, found {name!r}; it has {names}")


def archived(store: Store) -> Archived:
    """Return what the state says of the oplog in the repository."""
    return store.observed("archive", Archived) or Archived()


def own(archives: Iterable[Archive], *known: Archived) -> tuple[Archive, ...]:
    """Return the archives that the agent has stored itself, by restic's ids of them in what the state says. Pure.

    What somebody else has put there has another id, whatever its tags say. Versions before kept no ids: after an upgrade what is
    there is trusted once, and from then on its ids are kept.
    """
    found = tuple(archives)
    if any(one.adopts for one in known):
        return found
    ids = [a.id for a in found]
    ours = {only(begins, ids) for one in known for begins in one.ids or ()}
    return tuple(a for a in found if a.id in ours)


def restorable(
    restic: Restic,
    job: str | None,
    tick: Callable[[], None],
    store: Store,
    wanted: str | None,
    agent: str | None = None,
) -> Inventory:
    """Return what a repository holds that the state lists; see `usable`. Raises what restic's errors mean."""
    before = archived(store)
    return usable(inventory(restic, job, tick, agent or store.identity), store, wanted, before)


def usable(found: Inventory, store: Store, wanted: str | None, before: Archived | None = None) -> Inventory:
    """Return an inventory with what to restore from alone: what the state lists, by restic's own id of each.

    That id is a digest of what was stored. A snapshot or oplog that anybody else has put there, also under a name that is known,
    is left out; so is a snapshot that is being removed, and a bad one but that asked for by name. `before` is what the state said
    before the repository was listed: an agent that runs replaces older archives by newer ones meanwhile.
    """
    ids = [s.id for s in found.snapshots]
    listed = {only(s.restic_id, ids) for s in store.snapshots() if s.state != "bad" or s.name == wanted}
    after = archived(store)
    return replace(
        found,
        snapshots=tuple(s for s in found.snapshots if s.id in listed),
        archives=own(found.archives, before or after, after),
    )


def origin(store: Store, generation: int) -> list[str]:
    """Return the tags that say whose something stored is: the agent's, of a generation, of a replica set where that is known."""
    replica_set = store.replica_set(generation)
    known = [] if replica_set is None else [f"set={replica_set}"]
    return [f"agent={store.identity}", f"generation={generation}", *known]


def tags_of(found: Listed) -> dict[str, str]:
    """Return what an agent said of something that it stored."""
    return dict(tag.partition("=")[::2] for tag in found.tags or ())


def read(listed: Iterable[Listed]) -> tuple[tuple[Snapshot, ...], tuple[Archive, ...]]:
    """Return the snapshots and the archives among what restic lists, each oldest first.

    What says nothing that an agent says is neither: whoever has the password can add it, and it must be in the way of nothing.
    """
    found = [one for one in map(_readable, listed) if one is not None]
    snapshots = [one for one in found if isinstance(one, Snapshot)]
    archives = [one for one in found if isinstance(one, Archive)]
    return (
        tuple(sorted(snapshots, key=lambda s: (s.generation, s.optime))),
        tuple(sorted(archives, key=lambda a: (a.generation, a.through))),
    )


def _readable(found: Listed) -> Snapshot | Archive | None:
    try:
        return _parsed(found, tags_of(found))
    except (ValueError, OverflowError, KeyError) as error:
        log.warning(
            "snapshot left out", id=found.id, reason=f"expected the tags of an agent, found others: {error!r}"[:300]
        )
        return None


def _parsed(found: Listed, tags: Mapping[str, str]) -> Snapshot | Archive | None:
    """Raises ValueError, OverflowError or KeyError for tags that no agent gives."""
    whose = tags.get("set", "")
    if tags.get("kind") == SLICES:
        span = unstamp(tags["first"]), unstamp(tags["through"])
        return Archive(found.id, int(tags["generation"]), *span, replica_set=whose)
    if not {"name", "generation", "optime", "from"} <= tags.keys():
        return None
    at, since = unstamp(tags["optime"]), unstamp(tags["from"])
    return Snapshot(found.id, int(tags["generation"]), tags["name"], at, since, moment(found.time), replica_set=whose)


def is_of(tags: Mapping[str, str], agent: str) -> bool:
    """Say whether an agent stored something, or may have: agents of the versions before did not say who they are."""
    return tags.get("agent", agent) == agent


def inventory(restic: Restic, job: str | None, tick: Callable[[], None], agent: str | None = None) -> Inventory:
    """Read what a repository holds of a job and an agent; None stands for the only one in it.

    Two agents may use one repository and one name of a job, after a machine was lost for one. What one of them stored does not
    belong to what the other did. Raises BadConfiguration when there are several, or what restic's errors mean. A snapshot of an
    agent that did not tag optimes is left out: it can be restored with restic itself.
    """
    everything = [(found, tags_of(found)) for found in restic.snapshots(tick=tick)]
    jobs = sorted({tags["job"] for _, tags in everything if "job" in tags})
    if job is None and len(jobs) > 1:
        raise BadConfiguration(f"expected one job in the repository, found {', '.join(jobs)}; name one with --job")
    job = job or (jobs[0] if jobs else None)
    ours = [(found, tags) for found, tags in everything if tags.get("job") == job]
    agents = sorted({tags["agent"] for _, tags in ours if "agent" in tags})
    if agent is None and len(agents) > 1:
        raise BadConfiguration(
            f"expected the backups of one agent of the job {job} in the repository, found those of {', '.join(agents)}; "
            "name one with --agent"
        )
    ours = [(found, tags) for found, tags in ours if agent is None or is_of(tags, agent)]
    return Inventory(*read(found for found, _ in ours), job, tuple(jobs))


def stretches(archives: Iterable[Archive]) -> list[Archive]:
    """Return archives of one generation joined where they overlap, oldest first; the id is that of the last one. Pure."""
    joined: list[Archive] = []
    for archive in sorted(archives, key=lambda a: (a.first, a.through)):
        if joined and archive.first <= joined[-1].through:
            last = joined.pop()
            later = archive if archive.through >= last.through else last
            archive = replace(later, first=last.first)  # noqa: PLW2901 - the joined one
        joined.append(archive)
    return joined


def chain(archives: Iterable[Archive], line: Line, since: Timestamp, until: Timestamp) -> list[Archive] | None:
    """Return the fewest archives that hold every entry from `since` to `until`, oldest first; None when some miss. Pure."""
    ours = [a for a in archives if a.line == line]
    found: list[Archive] = []
    reached = since
    while True:
        best = max((a for a in ours if a.first <= reached), key=lambda a: a.through, default=None)
        if best is None or (found and best.through <= reached):
            return None
        found.append(best)
        reached = max(reached, best.through)
        if reached >= until:
            return found


def summary(config: Config) -> str:
    """Say in a few words what a job's repository holds. One that is not there yet is made when the first snapshot is taken.

    Raises RepositoryMissing when snapshots have been stored in it, or what restic's errors mean.
    """
    try:
        with cache_of(config.directory) as cache:
            return f"{len(Restic(config.repository, cache).snapshots())} snapshots in the repository"
    except RepositoryMissing:
        if _was_used(config):
            raise
    return "no repository yet; it is made when the first snapshot is taken"


def _was_used(config: Config) -> bool:
    if not config.state_file.exists():  # a check must not make the file: it would belong to the user of the check
        return False
    with contextlib.closing(Store(config.state_file)) as store:
        return store.stored_snapshots()
