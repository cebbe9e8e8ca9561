"""The rows of the matrix: where the agent is when the fault comes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One place in the agent, and how it is brought there.

    `work` is what leads to the place: `initial_sync` from nothing, an operation of another kind on a job that tails, or `tail`.
    """

    name: str
    point: str
    """The failure point at which the agent is held while the fault is inflicted."""

    work: str
    disk: str
    """Which disk is the one that fills up: `head`, `slices`, `job` (with all of it, state and scratch copy too), `repository`."""

    share: str | None = None
    """The fault that this step meets in the integration suite, which runs a sample of the cells."""

    restic_follows: bool = False
    """Whether the operation needs restic once more after this place."""

    settled: bool = False
    """Whether the job must tail already before the operation is begun."""


STEPS = (
    Step("copy", "copy.collection_done", "initial_sync", "head", "power cut", restic_follows=True),
    Step("index build", "index.build", "initial_sync", "head", restic_follows=True),
    Step("catch-up", "copy.catch_up", "initial_sync", "slices", "kill -9 agent", restic_follows=True),
    Step("capture write", "capture.write", "tail", "slices", "disk full"),
    Step("capture fsync", "capture.fsync", "tail", "slices"),
    Step("apply before commit", "apply.before_commit", "tail", "head", "kill -9 head"),
    Step("apply after commit", "apply.after_commit", "tail", "head"),
    Step("DDL", "apply.command_done", "tail", "head"),
    Step("snapshot before restic", "snapshot.locked", "snapshot", "repository", restic_follows=True),
    Step("snapshot during restic", "snapshot.uploading", "snapshot", "repository", "restic fails", restic_follows=True),
    Step("snapshot after restic", "snapshot.stored", "snapshot", "job", restic_follows=True),
    Step("proof", "proof.started", "snapshot", "job"),
    Step("validation", "validation.range", "validation", "job", "kill -9 both"),
    Step("generation switch", "switch.after", "resync", "job", "power cut", restic_follows=True),
    Step("state write", "state.write", "snapshot", "job", restic_follows=True, settled=True),
)
