"""A partition: packets between one member and everybody else are dropped, as by a broken switch; no connection is closed.

All members are on the loopback interface, so addresses do not tell them apart, and a port tells only who listens. Each member
therefore runs with a group id of its own (`ReplicaSet(separable=True)`), and the kernel's packet filter checks the group of the
process that owns the sending socket. That needs root and the command nft.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Self
from urllib.parse import quote_plus

from pymongo import MongoClient

from lab.errors import LabError

if TYPE_CHECKING:
    from types import TracebackType

    from lab.mongod import Client
    from lab.replica_set import ReplicaSet

_MARK = 0x6C6162
"""On the connections that the member that is cut off has made: what is answered on them is known by it."""

_RULES = """
table inet {table}
delete table inet {table}
table inet {table} {{
  chain sent {{
    type filter hook output priority -10; policy accept;
    tcp dport {port} counter drop
    tcp sport {port} counter drop
    tcp dport {{ {others} }} meta skgid {group} ct mark set {mark}
    ct mark {mark} counter drop
  }}
}}
"""


def missing() -> str | None:
    """Say what this machine lacks for a partition, or None."""
    if os.geteuid() != 0:
        return "a partition needs root"
    if shutil.which("nft") is None:
        return "a partition needs the command nft"
    probe = "table inet lab_probe\ndelete table inet lab_probe\n"
    done = subprocess.run(["nft", "-f", "-"], input=probe, capture_output=True, text=True, check=False)
    return f"nft is not allowed to work here: {done.stderr.strip()[:200]}" if done.returncode else None


class Partition:
    """Cuts one member off from all others and from every client but its own `client`, as a context manager."""

    def __init__(self, replica_set: ReplicaSet, number: int) -> None:
        """Nothing is cut yet; the set must be `separable`."""
        self._member = replica_set.member(number)
        if self._member.group is None:
            raise LabError("expected a set made with separable=True, found one whose members cannot be told apart")
        self._others = ", ".join(str(m.port) for m in replica_set.mongods if m is not self._member)
        self._table = f"lab_{self._member.port}"

    def __enter__(self) -> Self:
        """Drop from now on."""
        port, group = self._member.port, self._member.group
        _nft(_RULES.format(table=self._table, port=port, group=group, others=self._others, mark=_MARK))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let everything pass again."""
        _nft(f"delete table inet {self._table}\n")

    @property
    def dropped(self) -> int:
        """How many packets were dropped so far."""
        shown = _nft(f"list table inet {self._table}\n").split()
        return sum(int(shown[place + 2]) for place, word in enumerate(shown) if word == "counter")

    def client(self) -> Client:
        """Return a client on the member's side of the cut: it connects by the member's Unix socket."""
        return MongoClient(f"mongodb://{quote_plus(str(self._member.socket))}/?directConnection=true&retryWrites=false")


def _nft(commands: str) -> str:
    done = subprocess.run(["nft", "-f", "-"], input=commands, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"nft: {done.stderr.strip()[:300]}")
    return done.stdout
