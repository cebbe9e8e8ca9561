# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The provider of Ops Manager and Cloud Manager: their public API, which has no resync.

What is known of it, and how well, is in docs/ops-manager.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from ..errors import AskOperator, BackupError, FixInput, sentence
from ..ops_manager.api.client import Client, Connection
from ..ops_manager.api.errors import ApiError
from ..ops_manager.job.job import Job
from ..ops_manager.job.journal import RESYNC, Journal, from_id
from ..ops_manager.job.view import View
from ..ops_manager.restore import snapshots
from ..ops_manager.resync import backup_status, cancellation, decisions, preflight, requests, upkeep, wording
from ..ops_manager.resync import operation as operations
from ..ops_manager.resync.wording import Words
from ..values import Answer
from . import prediction
from .base import Facts, RestoreRequest, Runner, refuse

_NO_PAUSE = (
    "the product can only stop a backup altogether (in the web page: Continuous Backup, …, Stop): then no oplog is read"
    " either, points in time are lost, and where the featureCompatibilityVersion is 4.0 or older the start afterwards is a"
    " whole initial sync; leave the schedule alone, or make snapshots rarer in the web page"
)

FACTS = Facts(
    name="ops_manager",
    can_report_status=True,
    can_record_maintenance=True,
    can_start_resync=True,
    can_cancel_resync=True,
    can_choose_source=True,
    can_hold_snapshot=True,
    can_prove_snapshot=True,
    can_restore=True,
    keeps_snapshots_on_resync=True,
    reports_progress=True,
    operations_need_requests=True,
    mutes_alerts=True,
    snapshots_by_schedule_only=True,
    instead={
        "can_pause_snapshots": _NO_PAUSE,
        "can_explain_source": "the product chooses the member; name one in ops_manager.sync_source, or leave it at SECONDARY",
        "can_validate": "the product compares nothing with the source; restore a snapshot and prove it",
        "can_take_snapshot": "the product makes snapshots by its schedule; see there when the next one is due",
        "can_restore_point_in_time": "restore a point in time into a managed cluster from the web page",
    },
)


class OpsManager:
    """The backup of one cluster, or of one replica set of a cluster, in one project."""

    facts = FACTS

    def __init__(self, params: Mapping[str, Any], runner: Runner, check_mode: bool) -> None:
        self._options: Mapping[str, Any] = params["ops_manager"]
        self.check_mode = check_mode

    @cached_property
    def _network(self) -> Connection:
        return Connection.from_options(self._options)

    @cached_property
    def _client(self) -> Client:
        return Client(self._network, self._options["patience_seconds"])

    @cached_property
    def _job(self) -> Job:
        return Job.named(self._client, self._options["project"], self._options["cluster"])

    @property
    def _wishes(self) -> requests.Wishes:
        return requests.Wishes.from_options(self._options)

    @property
    def _words(self) -> Words:
        return Words(self._options["url"], self._job.name, self._options["poll_seconds"])

    def status(self) -> Answer:
        journal = self._open()
        return backup_status.record(self._job, None if journal is None else self._opened(journal))

    def sources(self) -> Answer:
        refuse(self.facts, "can_explain_source")

    def pause_snapshots(self, owner: str, reason: str, for_seconds: int | None) -> Answer:
        refuse(self.facts, "can_pause_snapshots")

    def resume_snapshots(self, owner: str) -> Answer:
        refuse(self.facts, "can_pause_snapshots")

    def begin_maintenance(self, owner: str, reason: str, for_seconds: int, latest_safe_restart: str | None) -> Answer:
        mute = self._wishes.mute
        return upkeep.begin(self._job, owner, reason, for_seconds, latest_safe_restart, mute, self.check_mode)

    def end_maintenance(self, owner: str) -> Answer:
        return upkeep.end(self._job, owner, self.check_mode)

    def start_resync(self, owner: str, reason: str, policy: str, older_than_days: int | None) -> Answer:
        job, found = self._job, self._open()
        needed, why = preflight.need(job, policy, older_than_days)
        answer: Answer = {
            "changed": False,
            "needed": needed,
            "why": why,
            "attached": False,
            "operation": None,
            "plan": None,
        }
        if found is not None:
            return self._meet(found, owner, {**answer, "needed": True, "why": "one is open"})
        for other in job.overlapping(RESYNC):
            raise self._open_already(other, operations.opened(other, job.view(other), None, self._words))
        if not needed:
            return answer
        answer["plan"] = preflight.plan(job, self._options)
        if self.check_mode:
            return {**answer, "changed": True}
        journal = self._begun(requests.planned(job, self._wishes, owner, reason))
        return {**answer, "changed": True, "operation": self._carried(journal)}

    def _begun(self, journal: Journal) -> Journal:
        """Write a journal. Without an answer it is not known whether it is there."""
        try:
            begun = requests.begin(self._job, journal, self._wishes)
        except ApiError as error:
            if error.is_uncertain:
                self._leave(error, journal)
            raise
        try:
            requests.alone(self._job, begun)
        except ApiError as error:
            self._leave(error, begun)
            raise
        return begun

    def _meet(self, found: Journal, owner: str, answer: Answer) -> Answer:
        """Attach to one's own open resync and go on with it; somebody else's is shown in check mode, else refused."""
        opened = self._opened(found)
        mine = found.owner == owner
        if self.check_mode:
            return {**answer, "attached": mine, "operation": opened}
        if not mine:
            raise self._open_already(found, opened)
        carried = self._carried(found) if opened["next_write"] else opened
        return {**answer, "attached": True, "changed": bool(opened["next_write"]), "operation": carried}

    @staticmethod
    def _open_already(found: Journal, opened: Answer) -> AskOperator:
        return prediction.operation_open(f"resync {found.id} of {found.owner} ({found.reason})", opened)

    def cancel_resync(self, operation: str) -> Answer:
        found = self._open(operation)
        if found is None:
            return {"changed": False, "operation": self.operation(operation)["operation"]}
        opened = self._opened(found)
        if self.check_mode:
            return prediction.canceled({"operation": opened})
        with self._guarded(found):
            notes = cancellation.cancel(self._job, found, self._wishes)
        return {"changed": True, "operation": {**opened, "state": "canceled", "next_write": None, "notes": notes}}

    def continue_operation(self, operation: str) -> Answer:
        found = self._open(operation)
        if found is None:
            return {"changed": False, "operation": self.operation(operation)["operation"]}
        opened = self._opened(found)
        if self.check_mode or not opened["next_write"]:
            return {"changed": bool(opened["next_write"]), "operation": opened}
        return {"changed": True, "operation": self._carried(found)}

    def operation(self, operation: str | None) -> Answer:
        found = self._open(operation)
        if found is not None:
            return {"operation": self._opened(found)}
        name = operation or self._job.newest_resync_id
        if name is None:
            return {"operation": None}
        ended = from_id(name, self._job.cluster.id)
        if ended is None:
            raise _unknown(name, self._open())
        return {"operation": self._ended(ended)}

    def snapshots(self) -> Answer:
        return {"snapshots": [snapshots.record(found) for found in self._job.snapshots]}

    def set_snapshot(self, name: str, state: str, owner: str, prove: bool) -> Answer:
        if state == "proven":
            return snapshots.prove(self._job, name, self._network, self._options, self.check_mode)
        return snapshots.set_state(self._job, name, state, self.check_mode)

    def validate(self, owner: str, level: str) -> Answer:
        refuse(self.facts, "can_validate")

    def ranges(self) -> Answer:
        refuse(self.facts, "can_restore_point_in_time")

    def restore(self, request: RestoreRequest) -> Answer:
        wanted = (request.target, request.snapshot, request.time)
        return snapshots.restore(self._job, *wanted, self._network, self.check_mode)

    def _open(self, operation: str | None = None) -> Journal | None:
        """Return the journal of an operation, or of the oldest that is open."""
        return next((one for one in self._job.journals(RESYNC) if operation in (None, one.id)), None)

    def _ended(self, journal: Journal) -> Answer:
        return operations.ended(journal, self._job.view(journal), self._words, lambda: self._job.logs_syncs)

    def _next_write(self, journal: Journal, view: View) -> str | None:
        return decisions.next_write(journal, view, self._wishes.resend_seconds, self._wishes.mute_seconds)

    def _opened(self, journal: Journal) -> Answer:
        view = self._job.view(journal)
        return operations.opened(journal, view, self._next_write(journal, view), self._words)

    def _carried(self, journal: Journal) -> Answer:
        """Send the next request, and return the operation as it is then."""
        with self._guarded(journal):
            write = self._next_write(journal, self._job.view(journal))
            after = journal if write is None else requests.perform(write, self._job, journal, self._wishes)
            if after is None:
                return self._ended(journal)
            return operations.opened(after, self._job.again().view(after), None, self._words)

    @contextmanager
    def _guarded(self, journal: Journal) -> Iterator[None]:
        """Add to an error what stays as it is meanwhile: the product cannot be asked when it does not answer."""
        try:
            yield
        except BackupError as error:
            self._leave(error, journal)
            raise

    def _leave(self, error: BackupError, journal: Journal) -> None:
        error.details.setdefault("operation_id", journal.id)
        error.details.setdefault("left_behind", wording.left_behind(journal, None, self._words))


def _unknown(operation: str, found: Journal | None) -> FixInput:
    message = sentence(
        expected="the id of a resync of this job",
        found=f"{operation}{'' if found is None else f', while {found.id} is open'}",
        remedy="read the id with operation_info",
    )
    return FixInput(message, code="not_found")
