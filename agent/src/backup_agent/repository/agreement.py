"""Whether the repository still has what the state says that it has.

Somebody who can write to its storage needs no password to delete what is in it, or to put an older copy or another repository in
its place, and restic alone finds nothing wrong with either. So the state keeps the repository's id from its first use on, and
compares its own list with that of restic. What is missing is neither good nor proven any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backup_agent.errors import AgentError, BadConfiguration
from backup_agent.repository.failures import RepositoryMissing
from backup_agent.repository.inventory import Archive, Archived, archived, is_of, own, read, tags_of
from backup_agent.repository.restic import Listed, Restic, Tick, only
from backup_agent.state.records import Snapshot
from backup_agent.state.store import Store
from backup_agent.times import lately, now_iso, show
from backup_agent.values import Record
from backup_agent.words import words

ALERT = "repository"
MISSING, OLDER, REPLACED, UNKNOWN = "missing", "older", "replaced", "unknown"
COMPARE_SECONDS = 3600
UNKNOWN_SECONDS = 3 * COMPARE_SECONDS
"""A repository that gives no answer for a while is no news; one that cannot be compared for so long is."""

REMEDY = "put them back, or take a new snapshot and let `backup-agent repository --accept` forget these"
NAMED = 5
"""So many missing snapshots are named in a sentence."""


@dataclass(frozen=True, slots=True)
class Pinned(Record):
    """The repository of a job: its id, since when it is known, and when the lists were compared last."""

    id: str
    since: str
    compared_at: str | None = None


class Replaced(BadConfiguration):
    """There is a repository, and it is another one than before."""


def due(store: Store) -> bool:
    """Say whether the lists are to be compared now."""
    found = store.observed(ALERT, Pinned)
    if found is not None and found.compared_at is not None and lately(found.compared_at, COMPARE_SECONDS):
        return False
    return bool(store.snapshots())


def require_same(store: Store, restic: Restic, tick: Tick) -> None:
    """Keep the id of the repository at its first use, and require it from then on, before anything is stored.

    Raises Replaced, with an alert, for another repository, and what restic's errors mean.
    """
    pinned, found = store.observed(ALERT, Pinned), restic.identity(tick)
    if pinned is None or not store.stored_snapshots():
        if pinned is None or pinned.id != found:
            store.observe(ALERT, Pinned(found, now_iso()))
            store.close_alerts(ALERT, cause=REPLACED)
        return
    if pinned.id == found:
        store.close_alerts(ALERT, cause=REPLACED)
        return
    text = (
        f"repository.location: expected the repository {pinned.id[:12]}, which is this job's since {pinned.since}, found another "
        f"one, {found[:12]}; put the right one back, nothing is stored in this one; if it was replaced on purpose, "
        "`backup-agent repository --accept` takes it from now on, and forgets the snapshots that it does not have"
    )
    store.raise_alert(ALERT, REPLACED, {"message": text})
    raise Replaced(text)


def not_compared(store: Store, error: Exception) -> None:
    """Raise the alert that nothing is known: at once after what no agent expects, for what restic's errors mean after a while."""
    pinned = store.observed(ALERT, Pinned)
    lately_known = pinned is not None and lately(pinned.compared_at or pinned.since, UNKNOWN_SECONDS)
    if isinstance(error, AgentError) and lately_known:
        return
    text = f"expected a repository that can be compared with the list of snapshots, found: {words(error)[:300]}"
    store.raise_alert(
        ALERT, UNKNOWN, {"message": f"{text}; see the agent's log, and who else writes to the repository"}
    )


def compare(store: Store, restic: Restic, job: str, tick: Tick) -> list[str]:
    """Compare the snapshots of the state with those of the repository; returns a sentence for each kind of thing that is missing.

    Those that are missing lose `good` and `proven_at`. One that is there again is good, and not proven. Raises Replaced, and what
    restic's errors mean: then nothing is known, and nothing is changed.
    """
    # Before the repository is asked: what is stored meanwhile is in neither list.
    known, before = store.snapshots(), archived(store)
    try:
        require_same(store, restic, tick)
    except RepositoryMissing as error:
        store.raise_alert(ALERT, MISSING, {"message": error.message})
        raise
    except Replaced:
        _withdraw(store, known)
        raise
    listed = restic.snapshots(f"job={job}", tick=tick)
    ids = [found.id for found in listed]
    there = [s for s in known if _pin(store, s, only(s.restic_id, ids))]
    removed = store.removals()
    gone = [s for s in known if s not in there and s.name not in removed and store.snapshot(s.name) is not None]
    _withdraw(store, gone)
    oplog = _missing_oplog(store, before, listed)
    problems = _tell(store, gone, there, oplog)
    pinned = store.observed(ALERT, Pinned)
    if pinned is not None:
        store.observe(ALERT, Pinned(pinned.id, pinned.since, now_iso()))
    store.close_alerts(ALERT, cause=UNKNOWN)
    return problems


def _pin(store: Store, snapshot: Snapshot, found: str | None) -> bool:
    """Say whether a snapshot is there. Of an id that an earlier version kept in part, the whole is kept from now on."""
    if found is None:
        return False
    if found != snapshot.restic_id:
        store.update_snapshot(snapshot.name, restic_id=found)
    if snapshot.state == MISSING:
        store.update_snapshot(snapshot.name, state="good")
    return True


def _withdraw(store: Store, gone: Sequence[Snapshot]) -> None:
    for snapshot in gone:
        if snapshot.state != "bad":  # it would be good when it is there again
            store.update_snapshot(snapshot.name, state=MISSING, proven_at=None)


def _missing_oplog(store: Store, before: Archived, listed: Sequence[Listed]) -> str:
    """Say which captured oplog is missing. All that is still here is stored again then.

    `before` is what the state said before the repository was listed: an upload has replaced some of it meanwhile.
    """
    if before.through is None:
        return ""
    ours = _own_oplog(store, listed, before)
    if any(a.through >= before.through for a in ours if a.generation == before.generation):
        return ""
    store.observe("archive", Archived(ids=tuple(a.id for a in ours)))
    return f"the captured oplog up to {show(before.through)}"


def _own_oplog(store: Store, listed: Sequence[Listed], before: Archived) -> tuple[Archive, ...]:
    _, archives = read(found for found in listed if is_of(tags_of(found), store.identity))
    return own(archives, before, archived(store))


def _tell(store: Store, gone: Sequence[Snapshot], there: Sequence[Snapshot], oplog: str) -> list[str]:
    """Raise the alert about what is missing, or close it; returns its sentence."""
    if oplog and not gone:
        text = f"expected {oplog} in the repository, found none; what is still here is stored again; find out who removed it"
        store.close_alerts(ALERT, cause=OLDER)
        store.raise_alert(ALERT, MISSING, {"message": text})
        return [text]
    if not gone:
        store.close_alerts(ALERT, cause=MISSING)
        store.close_alerts(ALERT, cause=OLDER)
        return []
    names = ", ".join(s.name for s in gone[:NAMED]) + (f" and {len(gone) - NAMED} more" if len(gone) > NAMED else "")
    text = f"expected {len(gone) + len(there)} snapshots in the repository, found {len(there)}; it lacks {names}"
    text += f", and {oplog}" if oplog else ""
    older = bool(there) and min(s.created_at for s in gone) > max(s.created_at for s in there)
    cause = OLDER if older else MISSING
    why = (
        "all that are missing are newer than those that are there: an older copy of the repository seems to be in its place"
        if older
        else "somebody, or a fault, has removed them there"
    )
    store.close_alerts(ALERT, cause=MISSING if older else OLDER)
    store.raise_alert(ALERT, cause, {"message": f"{text}; {why}; {REMEDY}"})
    return [text]


def accept(store: Store, restic: Restic, job: str, tick: Tick) -> list[str]:
    """Take the repository that is there as that of the job; returns the names of the snapshots that are forgotten.

    Raises what restic's errors mean.
    """
    found, known = restic.identity(tick), store.snapshots()
    listed = restic.snapshots(f"job={job}", tick=tick)
    ids = [one.id for one in listed]
    gone = [s for s in known if only(s.restic_id, ids) is None]
    kept = tuple(a.id for a in _own_oplog(store, listed, archived(store)))
    # Before the pin: slices are deleted only once they are stored, and what the repository before had is stored again.
    store.observe("archive", Archived(ids=kept))
    store.observe(ALERT, Pinned(found, now_iso(), now_iso()))
    for snapshot in gone:
        store.forget_snapshot(snapshot.name)
    store.close_alerts(ALERT)
    return [s.name for s in gone]
