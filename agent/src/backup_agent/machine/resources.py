"""What one job needs of its machine, and what the machine has. Looking changes nothing and makes no file.

Several jobs of a machine share what it has: whoever knows all of them (the role backup_agent) adds up what they need.
"""

from __future__ import annotations

from functools import partial

from backup_agent.config import Config
from backup_agent.errors import AgentError, Transient
from backup_agent.machine import disks, limits
from backup_agent.source import reach
from backup_agent.source.connections import SourceSet, asked
from backup_agent.source.oplog import OplogUse, oplog_use
from backup_agent.values import Client, Json

MIB = 1024**2

AGENT_BYTES = 150 * MIB
"""The bound of tests/integration/agent/test_memory.py; 97 MB were seen in a resync of small documents."""

MONGOD_BYTES = 320 * MIB
"""A mongod without its cache. Seen with a cache of 256 MB: 280 MB while indexes were built, 124 MB in a proof."""

RESTIC_BYTES = 128 * MIB
"""89 MB were seen with a repository of 800 MB; its index grows with the repository."""

PROCESSORS = 0.5
"""Of a job that tails; a sync or a proof uses what is there."""

UNITS = ("bytes", "KB", "MB", "GB", "TB")


def look(config: Config) -> Json:
    """Return needs and resources; see docs/agent-cli.md.

    Raises Transient with what each member said when the source cannot be asked, BadConfiguration when it refuses the login.
    """
    own = {
        "job": config.job,
        "memory": _memory(config.head.cache_mb),
        "cpu": {"needed": PROCESSORS, "have": limits.processors()},
    }
    try:
        found = own | _ask(config)
    except AgentError as error:
        error.details |= own  # that is known without the source, and other jobs of the machine must count with it
        raise
    return found | {"missing": missing(found)}


def _ask(config: Config) -> Json:
    """Return what only the source can tell."""
    sources = SourceSet(config)
    try:
        configuration = sources.configuration()
        reached = reach.reach(sources, configuration, config.source.replica_set)
        bearing = {str(m["host"]) for m in configuration["members"] if not m.get("arbiterOnly", False)}
        data, oplog = _measure(sources, [m["member"] for m in reached if m["ok"] and m["member"] in bearing])
    finally:
        sources.close()
    return {
        "data_bytes": data,
        "oplog": oplog.as_json(),
        "disks": disks.by_device(disks.parts(config, data, oplog), config.disk_reserve_bytes),
        "members": reached,
    }


def _memory(cache_mb: int) -> Json:
    mongod = MONGOD_BYTES + cache_mb * MIB
    parts = {"agent": AGENT_BYTES, "head": mongod, "second head or scratch copy": mongod, "restic": RESTIC_BYTES}
    return {
        "needed_bytes": sum(parts.values()),
        "parts": [{"name": name, "bytes": size} for name, size in parts.items()],
        "have_bytes": limits.memory_bytes(),
    }


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


def _data_bytes(client: Client) -> int:
    """As they are, not as they are compressed: the head may compress them less than the source does."""
    names = [name for name in client.list_database_names() if name not in ("local", "config")]
    found = [client[name].command("dbStats") for name in names]
    return sum(int(statistics["dataSize"] + statistics["indexSize"]) for statistics in found)


def size(value: float) -> str:
    """Return a number of bytes as people read it."""
    unit = 0
    while abs(value) >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {UNITS[unit]}" if unit else f"{value:.0f} bytes"


def missing(found: Json) -> list[str]:
    """Return a sentence for everything that this job alone has too little of, with the amount. Pure."""
    memory, cpu = found["memory"], found["cpu"]
    pairs = [
        ("memory", memory["needed_bytes"], memory["have_bytes"], size),
        ("processors", cpu["needed"], cpu["have"], "{:g}".format),
    ]
    pairs += [(f"disk of {disk['path']}", disk["needed_bytes"], disk["free_bytes"], size) for disk in found["disks"]]
    short = [
        f"{what}: {show(needed)} needed, {show(have)} there, {show(needed - have)} missing"
        for what, needed, have, show in pairs
        if needed > have
    ]
    unreached = [member for member in found["members"] if not member["ok"]]
    return short + [f"{member['member']} cannot be reached from here: {member['detail']}" for member in unreached]
