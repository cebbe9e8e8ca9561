"""Verification: read again what is stored, a part each time, before somebody needs it.

The repository is read by restic, one of `verify_parts` parts of its data a day, so that all of it is read every few weeks; the
slices on the agent's own disk are read whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bson

from backup_agent.capture.slices import Anchor, BadFrame, files, frames, split_documents
from backup_agent.errors import OperationFailed
from backup_agent.repository.agreement import compare
from backup_agent.repository.failures import ResticFailed
from backup_agent.repository.snapshot import repository
from backup_agent.state.store import Store
from backup_agent.state.work import Work
from backup_agent.times import lately, now_iso
from backup_agent.values import Record

ALERT = "verification"
NOT_RUN = "not_run"
"""Cause of the alert when the stored data could not be read to its end, so that no damage is known."""

RETRY_SECONDS = 900
"""A verification that failed or was canceled is not begun again by the schedule before this."""


@dataclass(frozen=True, slots=True)
class Verified(Record):
    """What a verification has found; `part` of `parts` of the repository was read, and is `damaged` or not."""

    at: str
    part: int
    parts: int
    slices: int
    problems: tuple[str, ...]
    damaged: bool = False


class Damaged(OperationFailed):
    """Stored data cannot be read as it was written."""


def due(store: Store, interval_hours: float) -> bool:
    """Say whether the schedule wants a verification now (0 hours: never); the first one waits for a snapshot.

    What keeps one from running (a repository that is not mounted, a wrong password) does not pass at once.
    """
    if interval_hours <= 0 or not store.snapshots():
        return False
    last = store.newest_operation("verification")
    if last is not None and last.gave_up and last.ended_lately(RETRY_SECONDS):
        return False
    found = store.observed("verification", Verified)
    return not lately(found.at if found else store.snapshots()[-1].created_at, interval_hours * 3600)


def check_slices(directory: Path, work: Work | None = None) -> tuple[int, list[str]]:
    """Read every slice; returns how many there are and a sentence for each that is damaged or does not follow.

    The end of the newest one may be in the middle of being written: what is torn there is no damage.
    """
    problems: list[str] = []
    every = files(directory)
    last: Anchor | None = None
    for number, path in enumerate(every):
        try:
            last = _check_one(path, last)
        except BadFrame as error:
            if path != every[-1]:
                problems.append(f"slice {path.name}: expected whole frames, found {error}")
            last = None
        except FileNotFoundError:
            last = None  # applied long ago, and deleted while this went on
        except (ValueError, KeyError, bson.errors.InvalidBSON) as error:
            problems.append(f"slice {path.name}: {str(error)[:200]}")
            last = None
        if work is not None:
            work.tick("slices", number + 1, len(every), "slices")
            work.apply_some()
    return len(every), problems


def _check_one(path: Path, before: Anchor | None) -> Anchor | None:
    last = None
    for number, (_, content) in enumerate(frames(path)):
        documents = split_documents(content)
        if number == 0:
            previous = documents.pop(0)["previous"]
            if before is not None and (previous is None or previous["sha256"] != before.sha256):
                raise ValueError(f"expected it to follow the slice before it, which ends at {before.optime}")
        if documents:
            last = Anchor.of(documents[-1])
    return last


def next_part(before: Verified | None, parts: int) -> int:
    """Return which part of the repository is read next: the one after the last, or that one again when it was damaged. Pure."""
    if before is None:
        return 1
    return before.part if before.damaged and before.parts == parts else before.part % parts + 1


def verify(work: Work, parts: int) -> Verified:
    """Verify the slices and the next part of the repository; returns what was found, and remembers it.

    Raises Damaged, with an alert left open, when something is damaged, Transient when it could not be read.
    """
    part = next_part(work.store.observed("verification", Verified), parts)
    slices, problems = check_slices(work.config.generation_directory(work.generation) / "slices", work)
    work.tick("repository", 0, 1, "parts", f"part {part} of {parts}")
    damaged = False
    problems += compare(work.store, repository(work), work.config.job, work.alive)
    try:
        repository(work).check(part, parts, work.alive)
    except ResticFailed as error:
        damaged = True
        problems.append(f"repository: {error.message}")
    result = Verified(now_iso(), part, parts, slices, tuple(problems), damaged)
    work.note(verification=result)
    work.store.observe("verification", result)
    work.store.close_alerts(ALERT, cause=NOT_RUN)
    if problems:
        text = "; ".join(problems[:5])
        work.store.raise_alert(ALERT, "damaged", {"message": text})
        raise Damaged(
            f"expected everything stored to be readable, found damage: {text}; take a new snapshot, "
            "resync if a slice is damaged, and see the disk of the repository"
        )
    work.store.close_alerts(ALERT)  # the slices are read whole each time, and a damaged part again until it is not
    return result
