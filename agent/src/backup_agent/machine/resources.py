"""What one job needs of its machine, and what the machine has. Looking changes nothing and makes no file.

Several jobs of a machine share its resources. The role backup_agent, which knows all jobs, adds up their needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from pymongo.errors import PyMongoError

from backup_agent.config import Config
from backup_agent.errors import AgentError, Transient
from backup_agent.machine import disks, limits
from backup_agent.machine.disks import Amount, Disk
from backup_agent.source.answers import asked, reason
from backup_agent.source.connections import SourceSet
from backup_agent.source.oplog import OplogUse, oplog_use
from backup_agent.values import Client, Document, Record

MIB = 1024**2

AGENT_BYTES = 150 * MIB
"""The bound of tests/integration/agent/test_memory.py. A resync of small documents took 97 MB."""

MONGOD_BYTES = 320 * MIB
"""A mongod without its cache. Seen with a cache of 256 MB: 280 MB while indexes were built, 124 MB in a proof."""

RESTIC_BYTES = 128 * MIB
"""restic took 89 MB with a repository of 800 MB; its index grows with the repository."""

GENEROUS = 2
"""So many times what a job needs is its limit: a restore needs one more mongod than a resync, restic's index grows with the
repository, and the limit must end what has run wild and nothing else."""

PROCESSORS = 0.5
"""Of a job that tails; a sync or a proof uses what is there."""

UNITS = ("bytes", "KB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Memory(Record):
    """The memory that a job needs, part by part, and what there is."""

    needed_bytes: int
    parts: tuple[Amount, ...]
    have_bytes: int


@dataclass(frozen=True, slots=True)
class Processors(Record):
    """How many processors a job needs, and how many there are."""

    needed: float
    have: float


@dataclass(frozen=True, slots=True)
class Reached(Record):
    """Whether a member is reached, and what it said."""

    member: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Resources(Record):
    """What a job needs of its machine, and what there is (see docs/agent-cli.md)."""

    DERIVED: ClassVar = ("missing",)

    job: str
    memory: Memory
    cpu: Processors
    data_bytes: int
    oplog: OplogUse
    disks: tuple[Disk, ...]
    members: tuple[Reached, ...]

    @property
    def missing(self) -> list[str]:
        """A sentence for everything that this job alone has too little of, with the amount."""
        pairs: list[tuple[str, float, float, Callable[[float], str]]] = [
            ("memory", self.memory.needed_bytes, self.memory.have_bytes, size),
            ("processors", self.cpu.needed, self.cpu.have, "{:g}".format),
            *((f"disk of {disk.path}", disk.needed_bytes, disk.free_bytes, size) for disk in self.disks),
        ]
        short = [
            f"{what}: {show(needed)} needed, {show(have)} there, {show(needed - have)} missing"
            for what, needed, have, show in pairs
            if needed > have
        ]
        return short + [f"{m.member} cannot be reached from here: {m.detail}" for m in self.members if not m.ok]


def look(config: Config) -> Resources:
    """Return needs and resources.

    Raises Transient with what each member said when the source cannot be asked, BadConfiguration when it refuses the login.
    """
    memory, cpu = _memory(config.head.cache_mb), Processors(PROCESSORS, limits.processors())
    try:
        return _ask(config, memory, cpu)
    except AgentError as error:  # that is known without the source, and other jobs of the machine must count with it
        error.details |= {"job": config.job, "memory": memory, "cpu": cpu}
        raise


def _ask(config: Config, memory: Memory, cpu: Processors) -> Resources:
    """Add what only the source can tell."""
    with contextlib.closing(SourceSet(config)) as sources:
        configuration = sources.configuration()
        reached = reach(sources, configuration, config.source.replica_set)
        bearing = {str(m["host"]) for m in configuration["members"] if not m.get("arbiterOnly", False)}
        data, oplog = _measure(sources, [m.member for m in reached if m.ok and m.member in bearing])
    found = disks.by_device(disks.parts(config, data, oplog), config.disk_reserve_bytes)
    return Resources(config.job, memory, cpu, data, oplog, tuple(found), tuple(reached))


def _memory(cache_mb: int) -> Memory:
    amounts = _parts(cache_mb)
    return Memory(sum(amount.bytes for amount in amounts), amounts, limits.memory_bytes())


def _parts(cache_mb: int) -> tuple[Amount, ...]:
    mongod = MONGOD_BYTES + cache_mb * MIB
    parts = {"agent": AGENT_BYTES, "head": mongod, "second head or scratch copy": mongod, "restic": RESTIC_BYTES}
    return tuple(Amount(name, taken) for name, taken in parts.items())


def memory_limit(config: Config) -> int:
    """Return how many bytes the processes of a job may take together before they are ended, with room for the unusual. Pure."""
    return GENEROUS * sum(amount.bytes for amount in _parts(config.head.cache_mb))


def _measure(sources: SourceSet, names: list[str]) -> tuple[int, OplogUse]:
    """Return the size of the data with its indexes, and the use of the oplog: of the first member that says both."""
    refusals = []
    for name in names:
        client = sources.prompt(name)
        try:
            return asked("dbStats", partial(_data_bytes, client)), oplog_use(client)
        except Transient as error:
            refusals.append(f"{name} said: {error.message}")
    raise Transient(
        f"expected the sizes of data and oplog from a member, found none: {'; '.join(refusals) or 'no member is reached'}"
    )


def reach(sources: SourceSet, configuration: Document, replica_set: str) -> list[Reached]:
    """Connect to all members at once; returns what each of them said, in the order of the set's configuration.

    A member counts as reached when it answers as one of the set. An arbiter knows no users: nobody can log in there.
    """
    members = configuration["members"]
    with ThreadPoolExecutor(max_workers=len(members)) as threads:
        return list(threads.map(lambda member: _greeted(sources, member, replica_set), members))


def _greeted(sources: SourceSet, member: Document, replica_set: str) -> Reached:
    host, arbiter = str(member["host"]), bool(member.get("arbiterOnly", False))
    try:
        hello = sources.greet(host, login=not arbiter)
    except PyMongoError as error:
        return Reached(host, False, reason(error))
    if hello.get("setName") != replica_set:
        found = hello.get("setName") or "no set (it was removed from it, or never added)"
        return Reached(host, False, f"expected a member of {replica_set}, found one of {found}")
    return Reached(host, True, "reached; an arbiter, which has no login" if arbiter else "reached")


def _data_bytes(client: Client) -> int:
    """Uncompressed sizes, because the head may compress less than the source."""
    names = [name for name in client.list_database_names() if name not in ("local", "config")]
    found = [client[name].command("dbStats") for name in names]
    return sum(int(statistics["dataSize"] + statistics["indexSize"]) for statistics in found)


def size(value: float) -> str:
    """Return a number of bytes as people read it."""
    unit = 0
    while abs(value) >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{value:.0f} bytes"
