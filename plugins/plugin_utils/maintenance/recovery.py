# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a backup is well again after its agents were away, and what became of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..text import duration
from .request import Json, reason_of


@dataclass(frozen=True)
class Look:
    """One look at a job whose agents were started."""

    #: The result of backup_lag_info.
    result: Json
    #: Whether the provider has a number for the lag; otherwise its alerts say whether the backup is behind.
    has_lag: bool
    lag_seconds: float
    #: When the agent before the restart was started, if it was alive: a status that still shows that is not of the new one.
    before: str = ""
    #: What is missing of the agents of a vendor.
    unheard: Sequence[str] = ()

    @property
    def seen(self) -> Json:
        """The status of the job; empty when there was no answer."""
        return self.result.get("status") or {}

    @property
    def agent(self) -> Json:
        """The agent of the job; empty when there was no answer."""
        return self.seen.get("agent") or {}

    @property
    def lost(self) -> bool:
        """Whether only a resync helps."""
        return self._alerts("resync_required") or self.seen.get("state") == "resync_required"

    @property
    def settled(self) -> bool:
        """Whether waiting any longer changes nothing."""
        return self.well or self.lost or self._alerts("stopped")

    @property
    def well(self) -> bool:
        """Whether the agent is alive and the backup has caught up."""
        if not self.agent.get("alive") or self.seen["state"] != "tailing":
            return False
        if not self.has_lag:
            return not self.unheard and not self._alerts("oplog_behind")
        is_new = self.before == "" or self.agent["started_at"] != self.before
        return is_new and self.seen["waiting"] is None and self._is_near() and (self.seen["headroom_seconds"] or 0) > 0

    def _is_near(self) -> bool:
        return self.lag is not None and self.lag <= self.lag_seconds

    @property
    def lag(self) -> float | None:
        """How many seconds the backup is behind the majority or the primary, whichever is more; None where one is not known."""
        first, second = (self.seen.get(f"backup_lag_{name}seconds") for name in ("", "primary_"))
        return None if first is None or second is None else max(first, second)

    def _alerts(self, kind: str) -> bool:
        return any(alert["kind"] == kind for alert in self.seen.get("alerts") or ())

    def missed(self, within_seconds: float) -> str:
        """Return the sentence about a backup that did not become well in time."""
        wanted = (
            f"the agent to be alive and at most {self.lag_seconds:g} s behind, with its cursor in the oplog,"
            if self.has_lag
            else "the product to have heard of the agents, one to be ACTIVE, and no alert that the backup is behind,"
        )
        return f"expected {wanted} within {within_seconds:g} s, found {self._found()}"

    def _found(self) -> str:
        if not self.seen:
            return f"no answer: {reason_of(self.result)}"
        reasons = list(self.seen.get("reasons") or ())
        if not self.has_lag:
            dead = [] if self.agent["alive"] else ["no agent is ACTIVE and was heard of lately"]
            return f"state {self.seen['state']}, {'; '.join([*self.unheard, *dead, *reasons]) or 'no reason given'}"
        if not self.agent["alive"]:
            return "it down"
        lag, headroom = map(_seconds, (self.lag, self.seen["headroom_seconds"]))
        return "; ".join([f"state {self.seen['state']}, lag {lag}, headroom {headroom}", *reasons[:1]])

    def outcome(self, job: str, resync: str) -> dict[str, str]:
        """Return what became of a job: it is lost, with the command that helps (`resync`), or it runs."""
        if self.lost:
            return {"job": job, "result": "lost", "why": self._loss(), "next": resync}
        return {"job": job, "result": "running", "why": ", ".join(self._health()), "next": ""}

    def _loss(self) -> str:
        alert: Json = next((one for one in self.seen.get("alerts") or () if one["kind"] == "resync_required"), {})
        return f"Resync Required since {alert.get('since', 'now')} ({alert.get('cause') or 'unknown'})"

    def _health(self) -> Iterator[str]:
        headroom = self.seen.get("headroom_seconds")
        if self.has_lag:
            yield f"lag {duration(self.lag)}"
            yield f"headroom {duration(headroom)}"
            return
        active = ", ".join(agent["host"] for agent in self.seen.get("agents") or () if agent["state"] == "ACTIVE")
        muted = ", ".join(self.seen.get("muted_by") or ())
        room = "unknown" if headroom is None else f"at least {duration(headroom)}"
        yield "no alert that it is behind"
        yield f"agent {active} heard of at {self.agent.get('cycle_at')}"
        yield f"headroom {room}{f'; alerts are still muted by {muted}' if muted else ''}"


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value} s"
