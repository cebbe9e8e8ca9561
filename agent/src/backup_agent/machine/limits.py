"""What this machine lets the process have: memory and processors, the limits of its cgroups counted (v1 and v2).

Limits of a cgroup hold for all below it, so every level up to the root counts. In a container the path that the kernel names may
lie outside of what is mounted: then the levels that are there count.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from backup_agent.errors import AgentError

UNLIMITED = 2**60
"""What cgroup v1 shows without a limit is about 2**63."""


def memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory of the machine, or the smallest limit on it. Raises AgentError when /proc does not say it."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", _read(root / "proc/meminfo") or "", re.MULTILINE)
    if found is None:
        raise AgentError(f"expected MemTotal in {root / 'proc/meminfo'}, found none; is /proc mounted?")
    limits = [int(found[1]) * 1024]
    for group in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(ValueError):  # "max", or nothing
                limits.append(int(_read(group / name) or ""))
    return min(limit for limit in limits if limit < UNLIMITED)


def processors(root: Path = Path("/")) -> float:
    """Return how many processors the process may use at once: those it may run on, or the smallest quota of their time."""
    limits = [float(len(os.sched_getaffinity(0)))]
    for group in _groups(root, "cpu"):
        v2 = (_read(group / "cpu.max") or "").split()
        v1 = [_read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        with contextlib.suppress(ValueError):  # "max", or nothing
            quota, period = (int(value) for value in (v2 or [value or "" for value in v1]))
            if quota > 0 and period > 0:
                limits.append(quota / period)
    return min(limits)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the directories of the process's cgroups that may limit this, each with those above it."""
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            tops = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        elif controller in controllers.split(","):
            tops = [root / "sys/fs/cgroup" / name for name in (controllers, controller)]
        else:
            continue
        for top in tops:
            group = top / path.lstrip("/")
            yield from (level for level in (group, *group.parents) if level.is_relative_to(top))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
