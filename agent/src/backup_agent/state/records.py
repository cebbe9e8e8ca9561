"""What the state file holds: a record for each kind of row, and for what is in one."""

from __future__ import annotations

import builtins
import math
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from bson.timestamp import Timestamp

from backup_agent.times import age_seconds, lately, seconds_between
from backup_agent.values import Json, Record, to_json

STEPS: dict[str, tuple[str, ...]] = {
    "initial_sync": ("preflight", "sync", "validate", "switch", "snapshot", "prove"),
    "resync": ("preflight", "pause", "sync", "validate", "switch", "resume", "snapshot", "prove"),
    "snapshot": ("snapshot", "prove"),
    "proof": ("prove",),
    "validation": ("validate",),
    "restore": ("restore",),
    "verification": ("verify",),
}
"""The steps of each kind of operation, in order. Every step can be begun again after a crash."""

PARAMS: dict[str, tuple[str, ...]] = {
    "snapshot": ("name", "prove"),
    "proof": ("name", "prove"),
    "validation": ("level",),
    "restore": ("target", "snapshot", "at"),
}
"""What each kind of operation can be asked for."""


@dataclass(frozen=True, slots=True)
class Step(Record):
    """A step of an operation; `state` is `pending`, `running`, `done` or `failed`."""

    name: str
    state: str = "pending"
    started_at: str | None = None
    finished_at: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Params(Record):
    """What an operation was asked for beyond its kind: `PARAMS` says which of these its kind has."""

    name: str | None = None
    """Of a snapshot."""
    prove: bool = False
    level: str = "digest"
    target: str | None = None
    snapshot: str | None = None
    at: Timestamp | None = None

    def of(self, kind: str) -> Json:
        """Return those that a kind of operation has, as its row and the contract have them."""
        return {name: to_json(getattr(self, name)) for name in PARAMS.get(kind, ())}


@dataclass(frozen=True, slots=True)
class StepProgress(Record):
    """How far a step is. `done` and `total` are in `unit`; `rate_per_second` and `eta_seconds` may not be known."""

    step: str
    phase: str
    percent: float = 0.0
    done: float = 0
    total: float = 0
    unit: str = ""
    rate_per_second: float | None = None
    eta_seconds: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Failure(Record):
    """The error that ended an operation, as `AgentError.to_json` returns it."""

    code: str
    message: str
    details: Json


@dataclass(frozen=True, slots=True)
class Operation(Record):
    """An operation; `state` is `queued`, `running`, `done`, `failed` or `canceled`."""

    DERIVED: ClassVar = ("step",)
    PARTS: ClassVar = {"steps": Step, "params": Params, "progress": StepProgress, "error": Failure}

    id: str
    kind: str
    owner: str
    reason: str
    state: str
    cancel_requested: bool
    steps: tuple[Step, ...]
    params: Params
    progress: StepProgress | None
    result: Json
    """What its steps noted: JSON, since each of them notes something else."""
    error: Failure | None
    created_at: str
    finished_at: str | None

    def to_json(self) -> Json:
        """Return the contract's form."""
        return {**Record.to_json(self), "params": self.params.of(self.kind)}

    @property
    def step(self) -> str:
        """The step that runs or has failed, else the next one, else the last one."""
        current = next((s.name for s in self.steps if s.state in ("running", "failed")), None)
        pending = next((s.name for s in self.steps if s.state == "pending"), None)
        return current or pending or self.steps[-1].name

    @property
    def gave_up(self) -> bool:
        """Whether it ended without success."""
        return self.state in ("failed", "canceled")

    @property
    def age_seconds(self) -> float:
        """How long ago it ended; not a number as long as it has not."""
        return math.nan if self.finished_at is None else age_seconds(self.finished_at)

    def ended_lately(self, seconds: float) -> bool:
        """Whether it ended less than so many seconds ago."""
        return self.finished_at is not None and lately(self.finished_at, seconds)

    @property
    def snapshot(self) -> str:
        """The name of the snapshot that it was asked for, or has taken."""
        return self.params.name or str(self.result["snapshot"]["name"])

    @property
    def equal(self) -> bool | None:
        """Whether its validation found no difference; None when it made none."""
        validation = self.result.get("validation")
        return None if validation is None else bool(validation["equal"])

    def marked(self, name: str, **fields: Any) -> Operation:
        """Return it with one step changed."""
        return replace(self, steps=tuple(replace(s, **fields) if s.name == name else s for s in self.steps))


@dataclass(frozen=True, slots=True)
class Snapshot(Record):
    """A snapshot that restic has stored; `state` is `good`, `bad`, or `missing` where the repository lacks it."""

    name: str
    id: str
    generation: int
    optime: Timestamp
    created_at: str
    state: str
    held: bool
    proven_at: str | None
    bytes_added: int
    bytes_total: int
    restic_id: str


@dataclass(frozen=True, slots=True)
class Identity(Record):
    """Who an agent is, for others that use its repository."""

    id: str


@dataclass(frozen=True, slots=True)
class Lease(Record):
    """What keeps snapshots from being taken."""

    owner: str
    reason: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Alert(Record):
    """An open alert; `detail` has a `message` and facts."""

    kind: str
    cause: str
    since: str
    detail: Json


@dataclass(slots=True)
class Copied(Record):
    """A collection of an initial sync: what is to be copied, and what has been. Filled in while it goes on."""

    namespace: str
    ui: str | None
    view: bool
    bytes: int
    """Its size when it was listed."""
    done: bool = False
    documents: int = 0
    copied_bytes: int = 0

    @property
    def uuid(self) -> builtins.bytes:
        """The UUID; a view has none."""
        return builtins.bytes.fromhex(self.ui or "")


@dataclass(slots=True)
class Sync(Record):
    """How far the initial sync of a generation is. Filled in while it goes on, and written again and again."""

    SPARSE: ClassVar = True
    PARTS: ClassVar = {"collections": Copied}

    operation: str | None = None
    replica_set: str | None = None
    """The id that the set was given when it was initiated."""
    start: Timestamp | None = None
    tc: Timestamp | None = None
    collections: tuple[Copied, ...] = ()
    sources: tuple[str, ...] = ()
    total_bytes: int = 0
    consistency_point: Timestamp | None = None
    documents: int = 0
    bytes: int = 0
    indexes_built: bool = False

    def result(self) -> Json:
        """Return what the result of the operation says of it."""
        return {
            "source": self.sources[-1] if self.sources else None,
            "sources": self.sources,
            "documents_copied": self.documents,
            "bytes_copied": self.bytes,
            "consistency_point": self.consistency_point,
        }


@dataclass(frozen=True, slots=True)
class Generation(Record):
    """A generation; `state` is `syncing`, `current` or `retired`."""

    PARTS: ClassVar = {"sync": Sync}

    number: int
    state: str
    created_at: str
    sync: Sync


@dataclass(frozen=True, slots=True)
class Agent(Record):
    """The daemon; `cycle` is a sentence about its last cycle."""

    pid: int | None = None
    version: str | None = None
    started_at: str | None = None
    cycle_at: str | None = None
    cycle: str | None = None


@dataclass(frozen=True, slots=True)
class Live(Record):
    """What the daemon observed last: of itself, of the source and of the head."""

    DERIVED: ClassVar = ("backup_lag_seconds", "backup_lag_primary_seconds", "apply_lag_seconds", "headroom_seconds")
    PARTS: ClassVar = {"agent": Agent}

    agent: Agent = field(default_factory=Agent)
    generation: int | None = None
    source: str | None = None
    source_version: str | None = None
    warnings: tuple[str, ...] = ()
    waiting: str | None = None
    captured: Timestamp | None = None
    applied: Timestamp | None = None
    majority: Timestamp | None = None
    primary_last_write: Timestamp | None = None
    oldest: Timestamp | None = None

    @property
    def backup_lag_seconds(self) -> int | None:
        """How far what was captured is behind what a majority has."""
        return seconds_between(self.majority, self.captured)

    @property
    def backup_lag_primary_seconds(self) -> int | None:
        """How far what was captured is behind the primary's last write."""
        return seconds_between(self.primary_last_write, self.captured)

    @property
    def apply_lag_seconds(self) -> int | None:
        """How far the head is behind what was captured."""
        return seconds_between(self.captured, self.applied)

    @property
    def headroom_seconds(self) -> int | None:
        """How far the oldest entry of the source is behind what was captured."""
        return seconds_between(self.captured, self.oldest)
