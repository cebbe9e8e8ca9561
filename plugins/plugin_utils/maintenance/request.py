# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What somebody asks for one job, and what its machine, the product and the gate have answered. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...module_utils.errors import bad_option
from ..given import CONTROLLERS, names_in, truth

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What is asked for one job. Times are in minutes."""

    job: str
    #: The name of the job in the inventory.
    host: str
    #: The machine of its agent.
    machine: str
    owner: str
    reason: str
    minutes: float
    margin_minutes: float
    force: bool
    #: Whether a snapshot is taken first.
    snapshot: bool
    stop_agents: bool
    #: The hosts of all of its vendor's agents, and those whose agents are stopped now.
    vendors: tuple[str, ...]
    touched: tuple[str, ...]
    #: How far behind a backup may be that has caught up.
    lag_seconds: float
    #: The jobs that are maintained in this run.
    together: tuple[str, ...]
    #: How a playbook of this collection is called, up to its name.
    playbook: str

    @classmethod
    def of(cls, found: Json) -> Request:
        """Return the request of a mapping with these names.

        Raises KeyError for one that is missing, TypeError and ValueError for what is no boolean and no number, and FixInput for
        the controller as a host of a vendor's agents: their commands would be run there.
        """
        return cls(**{name: read(found[name]) for name, read in _READS.items()})

    def command(self, playbook: str, *arguments: str) -> str:
        """Return the command that runs another playbook for this job."""
        return " ".join([f"{self.playbook}.{playbook}", "-e", f"maintenance_hosts={self.host}", *arguments])

    def as_owner(self, owner: str) -> str:
        """Return the argument with which a command is run as somebody else."""
        return f"-e backup_owner={shlex.quote(owner)}"


def _vendors(value: Any) -> tuple[str, ...]:
    hosts = names_in(value)
    for host in CONTROLLERS.intersection(hosts):
        raise bad_option(
            "hosts of the vendor's agents in backup_vendor_agents",
            f"{host}, the controller",
            "give the machine another name in the inventory",
        )
    return hosts


#: How each part of a request is read: a play may have it as text.
_READS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("job", "host", "machine", "owner", "reason", "playbook"), str),
    **dict.fromkeys(("minutes", "margin_minutes", "lag_seconds"), float),
    **dict.fromkeys(("force", "snapshot", "stop_agents"), truth),
    **dict.fromkeys(("vendors", "touched"), _vendors),
    "together": names_in,
}


@dataclass(frozen=True)
class Answers:
    """The results of the tasks that asked; each may be empty, an error, or that of a machine that was not reached."""

    #: backup_lag_info, maintenance_gate, and maintenance in check mode.
    read: Json
    gate: Json
    asked: Json
    #: A ping of each host of a vendor's agents.
    reached: Sequence[Json] = ()

    @classmethod
    def of(cls, found: Json) -> Answers:
        """Return the answers of a mapping with these names, each of which may be missing."""
        parts = {name: found.get(name) or {} for name in ("read", "gate", "asked")}
        return cls(**parts, reached=found.get("reached") or ())

    @property
    def status(self) -> Json:
        """The status of the job; empty when there was no answer."""
        return self.read.get("status") or {}

    @property
    def record(self) -> Json:
        """The maintenance that is recorded now; empty when none is."""
        return self.status.get("maintenance") or {}

    @property
    def gate_job(self) -> Json:
        """What the gate says of the job; empty when it said nothing."""
        return next(iter(self.gate.get("jobs") or ()), {})

    def fact(self, name: str, default: bool = False) -> bool:
        """Return what the provider says of itself."""
        return bool((self.read.get("facts") or {}).get(name, default))

    @property
    def runs_agents(self) -> bool:
        """Whether the job has an agent of this collection."""
        return self.fact("runs_agents", True)


def reason_of(result: Json, otherwise: str = "no reason was given") -> str:
    """Return the message of a task that failed, without its full stop: another sentence is made of it."""
    return str(result.get("msg") or otherwise).strip().removesuffix(".")


def is_unreachable(result: Json) -> bool:
    """Whether the machine of a task did not answer."""
    return bool(result.get("unreachable"))
