"""Limits of cgroups of both versions, read from files as the kernel shows them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backup_agent.errors import AgentError
from backup_agent.machine.limits import memory_bytes, processors

GB = 1024**3
MACHINE = f"MemTotal:       {16 * GB // 1024} kB\nMemFree: 1 kB\n"
V2 = "0::/user.slice/session.scope\n"
V1 = "9:name=systemd:/\n4:memory:/pods/one\n2:cpu,cpuacct:/pods/one\n0::/\n"


def kernel(root: Path, cgroup: str, **files: str) -> Path:
    """Write what /proc and /sys/fs/cgroup show below a directory."""
    for name, text in {"proc/meminfo": MACHINE, "proc/self/cgroup": cgroup, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


LIMITS = {
    "no limit": (V2, {}, 16),
    "no limit in words": (V2, {"sys/fs/cgroup/user.slice/memory.max": "max\n"}, 16),
    "version 2": (V2, {"sys/fs/cgroup/user.slice/session.scope/memory.max": f"{2 * GB}\n"}, 2),
    "version 2, above": (
        V2,
        {
            "sys/fs/cgroup/user.slice/memory.max": f"{GB}\n",
            "sys/fs/cgroup/user.slice/session.scope/memory.max": f"{2 * GB}\n",
        },
        1,
    ),
    "more than there is": (V2, {"sys/fs/cgroup/user.slice/memory.max": f"{64 * GB}\n"}, 16),
    "version 1": (V1, {"sys/fs/cgroup/memory/pods/one/memory.limit_in_bytes": f"{3 * GB}\n"}, 3),
    "version 1, none": (V1, {"sys/fs/cgroup/memory/pods/one/memory.limit_in_bytes": "9223372036854771712\n"}, 16),
    "in a container, where only the top is mounted": (
        V1,
        {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GB}\n"},
        4,
    ),
}


@pytest.mark.parametrize("what", LIMITS)
def test_the_smallest_limit_counts(tmp_path: Path, what: str) -> None:
    """Of the machine, of the process's group, and of every group above it."""
    cgroup, files, gigabytes = LIMITS[what]
    assert gigabytes * GB == memory_bytes(kernel(tmp_path, cgroup, **files))


def test_an_unknown_memory_is_no_memory(tmp_path: Path) -> None:
    """Without /proc nothing is guessed."""
    with pytest.raises(AgentError, match="is /proc mounted"):
        memory_bytes(tmp_path)


QUOTAS = {
    "none": (V2, {"sys/fs/cgroup/user.slice/cpu.max": "max 100000\n"}, None),
    "version 2": (V2, {"sys/fs/cgroup/user.slice/cpu.max": "50000 100000\n"}, 0.5),
    "version 1": (
        V1,
        {
            "sys/fs/cgroup/cpu,cpuacct/pods/one/cpu.cfs_quota_us": "25000\n",
            "sys/fs/cgroup/cpu,cpuacct/pods/one/cpu.cfs_period_us": "100000\n",
        },
        0.25,
    ),
    "version 1, none": (
        V1,
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
        None,
    ),
}


@pytest.mark.parametrize("what", QUOTAS)
def test_a_quota_counts(tmp_path: Path, what: str) -> None:
    """A share of the time of processors is as good as fewer of them."""
    cgroup, files, expected = QUOTAS[what]
    found = processors(kernel(tmp_path, cgroup, **files))
    assert (expected or float(len(os.sched_getaffinity(0)))) == found
