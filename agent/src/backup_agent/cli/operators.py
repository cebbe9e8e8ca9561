"""What an operator may ask of an agent: somebody who is not root, and whom sudo has named to `backup-job`.

Operators ask, pause, take and hold. They delete nothing, also not by a detour: they do not release what is held, they cannot fill
the list until retention takes another one's snapshot, and they end no operation that they did not begin.
"""

from __future__ import annotations

import re

import click

from backup_agent.config import Config
from backup_agent.errors import Refused
from backup_agent.repository.snapshot import SCHEDULED
from backup_agent.state.store import Store

COMMANDS = frozenset(
    {
        "maintenance",
        "operation",
        "resources",
        "resync",
        "schedule",
        "snapshot",
        "snapshots",
        "sources",
        "status",
        "validate",
        "verify",
        "version",
    }
)
LONGEST_SECONDS = 7 * 86400
"""For so long an operator may pause snapshots, or keep an agent down, at once. It can be renewed."""
MOST_BY_HAND = MOST_HELD = 8
"""So many snapshots that the schedule did not take, and so many that are held, an operator leaves in the list."""
BY_ROOT = "let root do it, with backup-agent itself"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]{0,99}\Z")


def require_command(operator: str, command: str | None) -> None:
    """Raise UsageError for a command that operators may not use, or an operator that is none."""
    if not _NAME.match(operator):
        raise click.UsageError(f"--operator: expected the name of an account, found {operator!r}")
    if command not in COMMANDS:
        raise click.UsageError(f"expected a command for operators, found {command}; {BY_ROOT}")


def own_name(operator: str | None, given: str | None) -> str | None:
    """Return who asks. An operator asks in the own name alone: what is one's own could not be told otherwise."""
    if operator is None or given in (None, operator):
        return operator or given
    raise click.UsageError(f"--owner: expected {operator}, who asks, found {given}; leave it out")


def require_short(operator: str | None, seconds: int) -> None:
    """Raise UsageError where an operator wants to pause, or to be away, for longer than is allowed at once."""
    if operator is not None and seconds > LONGEST_SECONDS:
        raise click.UsageError(
            f"--for-seconds: expected at most {LONGEST_SECONDS} (7 days) of an operator, found {seconds}; "
            f"renew it later, or {BY_ROOT}"
        )


def require_own(operator: str | None, store: Store, operation: str) -> None:
    """Raise Refused where an operator would end an operation of somebody else. Raises NotFound."""
    if operator is None:
        return
    owner = store.operation(operation).owner
    if owner != operator:
        raise Refused(
            f"expected an operation of {operator}, found that of {owner}; ask {owner} to cancel it, or {BY_ROOT}"
        )


def require_harmless(operator: str | None, store: Store, config: Config, name: str, state: str) -> None:
    """Raise UsageError or Refused where an operator asks something of a snapshot that deletes one in the end."""
    if operator is None:
        return
    if state in ("absent", "released"):
        raise click.UsageError(f"--state: expected nothing that lets a snapshot go, found {state}; {BY_ROOT}")
    listed = store.snapshots()
    held = [s.name for s in listed if s.held]
    if state == "held" and name not in held and len(held) >= MOST_HELD:
        raise Refused(f"expected at most {MOST_HELD} held snapshots, found {len(held)}: {', '.join(held)}; {BY_ROOT}")
    if name not in {s.name for s in listed}:
        require_room(operator, store, config)


def require_room(operator: str | None, store: Store, config: Config) -> None:
    """Raise Refused where a snapshot that an operator asks for is one too many, or would have retention remove another one."""
    if operator is None or store.stopped_by():  # a backup that has stopped is not a time to count
        return
    listed, kept = store.snapshots(), config.snapshots
    by_hand = [s.name for s in listed if not s.name.startswith(SCHEDULED)]
    if len(by_hand) >= MOST_BY_HAND:
        raise Refused(
            f"expected at most {MOST_BY_HAND} snapshots that were taken by hand, found {len(by_hand)}: {', '.join(by_hand)}; "
            f"retention removes them when they are older than the scheduled ones, or {BY_ROOT}"
        )
    scheduled = kept.interval_hours > 0
    if not scheduled and sum(s.state == "good" for s in listed) >= kept.keep_last:
        raise Refused(
            f"expected fewer than {kept.keep_last} snapshots (snapshots.keep_last) where no schedule takes any, found as many: "
            f"another one would have the oldest removed; {BY_ROOT}"
        )
