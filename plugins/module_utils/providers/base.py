# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seam between the modules and whatever makes the backups: verbs, and facts that callers branch on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import NoReturn, Protocol

from ..errors import FixInput, sentence
from ..values import Answer

#: Runs a command, given as a list, and returns exit code, standard output and standard error.
Runner = Callable[[list[str]], tuple[int, str, str]]


@dataclass(frozen=True)
class Facts:
    """What a backend can do. Callers ask these, never for the provider's name."""

    name: str
    can_report_status: bool = False
    can_pause_snapshots: bool = False
    can_record_maintenance: bool = False
    can_start_resync: bool = False
    can_cancel_resync: bool = False
    can_choose_source: bool = False
    can_explain_source: bool = False
    can_take_snapshot: bool = False
    #: Keep a snapshot from expiring, give it free, and delete it.
    can_hold_snapshot: bool = False
    can_prove_snapshot: bool = False
    can_validate: bool = False
    can_restore: bool = False
    can_restore_point_in_time: bool = False
    keeps_snapshots_on_resync: bool = False
    lease_expires_by_itself: bool = False
    reports_progress: bool = False
    #: Whether nothing of ours runs beside the backend, so that an operation goes on only when it is asked to.
    operations_need_requests: bool = False
    #: Whether the status has numbers for how far the backup is behind; otherwise alerts, and when each agent was heard of.
    reports_lag: bool = False
    #: Whether each job has an agent that this collection installs; otherwise agents of somebody else serve many jobs.
    runs_agents: bool = False
    #: Whether a recorded maintenance mutes alerts, and is forgotten when its time is over.
    mutes_alerts: bool = False
    #: Whether new snapshots are made when the schedule says so, and never when somebody asks.
    snapshots_by_schedule_only: bool = False
    #: For each fact that is false: what the operator does instead, and how to undo what stays paused.
    instead: Mapping[str, str] = field(default_factory=dict)

    def switches(self) -> Answer:
        """Return what is true and what is not, for playbooks to branch on."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, bool)}


@dataclass(frozen=True)
class RestoreRequest:
    """What to restore and where to; by the agent of the job, or here and now from a repository alone."""

    target: str
    snapshot: str | None = None
    #: An optime SECONDS:INCREMENT or a time of the day with its zone; None with no snapshot is the newest that there is.
    time: str | None = None
    #: Who asks. None restores here and now, and returns when it has been done.
    owner: str | None = None
    reason: str | None = None
    repository: str | None = None
    password_file: str | None = None
    job: str | None = None
    mongod: str | None = None
    restic: str | None = None


class Provider(Protocol):
    """The verbs. Each returns at once; long work is an operation that is followed with `operation`.

    With check_mode the writing verbs change nothing and return the best prediction of what they would have returned,
    including `changed`.
    """

    @property
    def facts(self) -> Facts:
        """What this backend can do."""

    @property
    def check_mode(self) -> bool:
        """Whether the writing verbs only predict."""

    def status(self) -> Answer:
        """State, lags, alerts, leases, open operation and verdict of the job."""

    def sources(self) -> Answer:
        """The member to read from, and for every other one why it was not chosen."""

    def pause_snapshots(self, owner: str, reason: str, for_seconds: int | None) -> Answer:
        """Add the owner's own lease, or renew it; returns `changed` and `leases`."""

    def resume_snapshots(self, owner: str) -> Answer:
        """Remove the owner's own lease and nobody else's; returns `changed` and `leases`."""

    def begin_maintenance(self, owner: str, reason: str, for_seconds: int, latest_safe_restart: str | None) -> Answer:
        """Record the owner's maintenance with a lease, or renew both.

        Returns `changed`, `renewed` (whether a recorded one goes on), `maintenance` and `leases`.
        """

    def end_maintenance(self, owner: str) -> Answer:
        """Remove the owner's own record and lease; returns `changed`, and what there is of others."""

    def start_resync(self, owner: str, reason: str, policy: str, older_than_days: int | None) -> Answer:
        """Start a resync where the policy says that one is needed; returns the plan or the operation."""

    def cancel_resync(self, operation: str) -> Answer:
        """Cancel this operation, and no other."""

    def continue_operation(self, operation: str) -> Answer:
        """Send the next request that this operation waits for, if any; returns `changed` and the operation after it."""

    def operation(self, operation: str | None) -> Answer:
        """The named operation, else the open one, else the newest; None when there was none."""

    def snapshots(self) -> Answer:
        """All snapshots, newest first."""

    def set_snapshot(self, name: str, state: str, owner: str, prove: bool) -> Answer:
        """Bring the snapshot of this name into the state: present, held, released, proven or absent."""

    def validate(self, owner: str, level: str) -> Answer:
        """Start comparing the backup with its source."""

    def ranges(self) -> Answer:
        """Which points in time can be restored, oldest first."""

    def restore(self, request: RestoreRequest) -> Answer:
        """Restore, or start the operation that does; returns `changed`, `attached`, `plan`, `operation` and `restore`."""


def demand(facts: Facts, fact: str) -> None:
    """Refuse what the backend cannot do, with what the operator does instead."""
    if not getattr(facts, fact):
        refuse(facts, fact)


def refuse(facts: Facts, fact: str) -> NoReturn:
    """Refuse a verb that the backend does not have."""
    remedy = facts.instead.get(fact, "docs/providers.md says what to do instead")
    expected = f"a provider that {fact.replace('_', ' ')}"
    raise FixInput(sentence(expected=expected, found=facts.name, remedy=remedy), code="unsupported")
