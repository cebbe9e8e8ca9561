# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resizing the oplogs of a replica set member by member: what is read before, the waits between, the command itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import AskOperator, BackupError, GiveUp, sentence
from ..servers import connection
from ..topology import READABLE, Member, from_status
from ..values import Record
from .decision import unauthorized
from .facts import MIB, MemberFacts, Step, Wish

_BETWEEN_LOOKS_SECONDS = 0.5


class Wire:
    """The commands, sent to real servers."""

    def __init__(self, login: connection.Login) -> None:
        self._login = login

    def status(self) -> tuple[list[Member], Record]:
        """Return the members and the reply of replSetGetStatus. Raises BackupError."""
        with connection.described("the replica set"), self._login.seed() as client:
            status = connection.ask(client, "replSetGetStatus")
            return from_status(connection.ask(client, "replSetGetConfig"), status), status

    def facts(self, member: Record) -> MemberFacts:
        """Return what is known of one member that holds data, given its part of the oplog record."""
        names = ("max_bytes", "window_hours", "projected_hours", "wrapped")
        known = MemberFacts(member["member"], member["state"], **{name: member[name] for name in names})
        # The server reports a retention only where one was ever set.
        known = replace(known, min_retention_hours=member["min_retention_hours"] or 0.0)
        if member["window_hours"] is None:
            return replace(known, why_not=member["reason"])
        try:
            return self._on_disk(known)
        except BackupError as error:
            return replace(known, why_not=error.message)

    def _on_disk(self, known: MemberFacts) -> MemberFacts:
        with connection.described(known.address), self._login.member(known.address) as client:
            may = may_resize(client.admin.command("connectionStatus", showPrivileges=True))
            known = replace(known, may_resize=may)
            if known.max_bytes is None:
                return known
            known = replace(known, storage_bytes=connection.storage_of(client)["storageSize"])
        disk, free = self._space(known.address)
        return replace(known, disk_bytes=disk, free_bytes=free)

    def _space(self, address: str) -> tuple[int | None, int | None]:
        """Return the size of the disk of the database local, and what of it is free; nothing where that is not told."""
        try:
            with connection.described(address), self._login.member(address) as client:
                told = client.local.command("dbStats")
        except BackupError as error:
            if error.code == "unauthorized":
                return None, None
            raise
        if "fsTotalSize" not in told:
            return None, None
        return int(told["fsTotalSize"]), int(told["fsTotalSize"] - told["fsUsedSize"])

    def resize(self, step: Step) -> None:
        """Resize the oplog of one member and see that it has the new size. Raises BackupError."""
        address = step.facts.address
        try:
            with connection.described(address), self._login.member(address) as client:
                client.admin.command({"replSetResizeOplog": 1, **_arguments(step)})
                found = connection.storage_of(client)["maxSize"]
        except BackupError as error:
            raise unauthorized(address) from None if error.code == "unauthorized" else error
        if found != step.size_bytes:
            message = sentence(
                expected=f"an oplog of {step.size_bytes} bytes on {address} now",
                found=f"{found}",
                remedy="see the log of that mongod",
            )
            raise GiveUp(message, code="not_resized")


def _arguments(step: Step) -> dict[str, float]:
    # Both are doubles for the server, which has counted the size in MiB since it has had the command.
    size = {"size": float(step.size_bytes // MIB)} if step.resizes else {}
    return {**size, **({"minRetentionHours": float(step.min_retention_hours)} if step.retains else {})}


def may_resize(status: Record) -> bool | None:
    """Tell from the reply of connectionStatus whether the user may resize; None where nobody has logged in."""
    login = status["authInfo"]
    if not login.get("authenticatedUsers"):
        return None
    everywhere = [
        privilege["actions"]
        for privilege in login.get("authenticatedUserPrivileges", [])
        if privilege["resource"].get("cluster") or privilege["resource"].get("anyResource")
    ]
    return any({"replSetResizeOplog", "anyAction"} & set(actions) for actions in everywhere)


def problems(members: Sequence[Member], status: Record, max_lag_seconds: float) -> list[str]:
    """Return what keeps a set from being resized further; a delayed member may lag by its delay and as much as the others."""
    optimes = {member["name"]: member.get("optimeDate") for member in status["members"]}
    primaries = [member.address for member in members if member.state == "PRIMARY"]
    if not primaries:
        return ["no primary"]
    newest = optimes[primaries[0]]
    found = []
    for member in members:
        if not member.data_bearing:
            continue
        if member.state not in READABLE or not optimes.get(member.address):
            found.append(f"{member.address} in state {member.state}")
            continue
        lag = (newest - optimes[member.address]).total_seconds()
        if lag > max_lag_seconds + member.delay_seconds:
            found.append(f"{member.address} {lag:.0f} s behind the primary")
    return found


def carry_out(
    servers: Wire, steps: Sequence[Step], wish: Wish, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """Resize the members of the steps that change anything, secondaries first; return their addresses in the order of doing.

    Waits before each for the set to be healthy, and looks then who is primary: that may have changed. Raises a BackupError whose
    details say who has been resized; running everything again goes on with the others.
    """
    left = [step for step in steps if step.changes]
    done: list[str] = []
    try:
        while left:
            step = _next(left, _healthy(servers, wish, sleep))
            servers.resize(step)
            left.remove(step)
            done.append(step.facts.address)
    except BackupError as error:
        raise _interrupted(error, done, left) from None
    return done


def _next(left: Sequence[Step], members: Sequence[Member]) -> Step:
    primary = {member.address for member in members if member.state == "PRIMARY"}
    return min(left, key=lambda step: step.facts.address in primary)


def _healthy(servers: Wire, wish: Wish, sleep: Callable[[float], None]) -> list[Member]:
    """Wait until the set is healthy and return its members."""
    until = time.monotonic() + wish.health_timeout_seconds
    while True:
        try:
            members, status = servers.status()
            found = problems(members, status, wish.max_lag_seconds)
        except BackupError as error:
            if not error.retry:
                raise
            found = [error.message]
        if not found:
            return members
        if time.monotonic() >= until:
            break
        sleep(_BETWEEN_LOOKS_SECONDS)
    message = sentence(
        expected=f"a healthy replica set within {wish.health_timeout_seconds:g} s",
        found="; ".join(found),
        remedy="put these in order and run this again",
    )
    raise AskOperator(message, code="unhealthy")


def _interrupted(error: BackupError, done: Sequence[str], left: Sequence[Step]) -> BackupError:
    waiting = [step.facts.address for step in left]
    who = f"Resized so far: {', '.join(done) or 'none'}; not yet: {', '.join(waiting)}."
    details = {**error.details, "steps": list(done), "not_done": waiting}
    return type(error)(f"{error.message} {who}", code=error.code, details=details)
