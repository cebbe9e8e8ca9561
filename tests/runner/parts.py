"""The parts of `bin/test`: what each proves, and for a release which paths of the code it covers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

ROOT = Path(__file__).resolve().parents[2]
#: Machines of Molecule have fixed names and addresses, so two scenarios cannot run at once.
MACHINES = "machines"

_AGENT = "agent/src/backup_agent/"
#: What brings the data of a source into a copy, and what the copy is compared by.
_COPYING = (
    *(f"{_AGENT}{room}/**" for room in ("raw", "source", "capture", "replay", "compare", "sync")),
    f"{_AGENT}head.py",
)
#: What remembers where that was, and goes on from there.
_GOING_ON = tuple(f"{_AGENT}{room}/**" for room in ("state", "repository", "daemon"))
_PROVISIONED = (
    "roles/backup_agent/**",
    "roles/maintenance/**",
    "agent/pyproject.toml",
    "agent/locks/**",
    "molecule/shared/**",
    ".config/molecule/config.yml",
    "bin/wheelhouse",
    "lab/machines.py",
)


@dataclass(frozen=True)
class Part:
    """One part. Its commands are the function `part_NAME` of `bin/lib/parts.sh`."""

    name: str
    proves: str
    #: The seconds that it took before there were lanes, on 2026-11-29, from a clean clone; None where nobody measured.
    before: int | None = None
    #: For a part of a release: patterns of the paths whose change asks for it.
    paths: tuple[str, ...] = ()
    #: What only one part may use at a time.
    alone: str = ""


#: A run without arguments. The longest come first, so that both lanes end at about the same time.
ORDINARY = (
    Part("integration", "modules, playbooks and the agent work on real replica sets, with faults", 2056),
    Part("molecule", "provisioning and maintenance work on machines with systemd", 953, alone=MACHINES),
    Part("lint", "linters and types are content, and `ansible-test sanity` is", 138),
    Part("demo", "what the README shows can be seen", 116),
    Part("unit", "each rule of the code, in every case", 136),
    Part("docs", "pages, links and commands are sound, and the site can be built", 31),
)
#: What costs much and breaks seldom; the longest first.
RELEASE = (
    Part(
        "matrix",
        "every step of the agent survives every fault",
        paths=(*_COPYING, *_GOING_ON, f"{_AGENT}failpoints.py", "tests/integration/agent/matrix/**"),
    ),
    Part(
        "property",
        "generated programs are replayed exactly, for ten minutes",
        paths=(*_COPYING, "tests/integration/agent/programs.py", "tests/integration/agent/test_property.py"),
    ),
    Part(
        "servers",
        "the agent works with other versions of MongoDB",
        paths=(*_COPYING, f"{_AGENT}restore/**", "lab/servers.py", "tests/integration/agent/acts/**"),
    ),
    Part(
        "upgrade",
        "an agent is upgraded, refused, taken back and removed",
        paths=(*_PROVISIONED, f"{_AGENT}state/**", f"{_AGENT}__init__.py", "lab/wheels.py", "molecule/upgrade/**"),
        alone=MACHINES,
    ),
    Part(
        "versions",
        "the collection works with the oldest and the newest ansible-core",
        paths=(
            "plugins/**",
            "playbooks/**",
            "roles/**",
            "meta/runtime.yml",
            "tests/requirements.txt",
            "bin/lib/versions.sh",
        ),
    ),
    Part(
        "rare",
        "what seldom happens or is tried elsewhere too: kills at every step, jobs that do not fit, damage in a restore",
        paths=(
            *_GOING_ON,
            f"{_AGENT}sync/**",
            f"{_AGENT}machine/**",
            "plugins/action/**",
            "plugins/module_utils/ops_manager/resync/**",
            "plugins/module_utils/ops_manager/restore/**",
            "roles/backup_agent/**",
            "roles/maintenance/**",
            "roles/resync/**",
            "tests/integration/test_runner.py",
        ),
    ),
    Part(
        "minimal",
        "a machine without systemd and package index gets its agents",
        paths=(*_PROVISIONED, "molecule/minimal/**"),
        alone=MACHINES,
    ),
    Part(
        "image",
        "the execution environment can be built, and a check runs in it",
        65,
        paths=(
            "bin/execution-environment",
            "meta/execution-environment.yml",
            "execution-environment.yml",
            "meta/**",
            "roles/check/**",
            "tests/execution_environment/**",
        ),
    ),
    Part("pylint", "plugins obey the rules of ansible-test's pylint", paths=("plugins/**", "tests/unit/plugins/**")),
    Part(
        "memory",
        "the agent's memory stays below its limit",
        paths=(*_COPYING, "tests/integration/agent/test_memory.py"),
    ),
    Part(
        "benchmarks",
        "the benchmarks run to their ratio",
        paths=(
            "benchmarks/**",
            "bin/bench",
            f"{_AGENT}raw/**",
            f"{_AGENT}capture/**",
            "tests/integration/test_bench.py",
        ),
    ),
)
PARTS = {part.name: part for part in (*ORDINARY, *RELEASE)}


def matches(pattern: str, path: str) -> bool:
    """Say whether a path is meant by a pattern, in which `**` stands for anything and `*` for anything but a slash."""
    words = {"**": ".*", "*": "[^/]*"}
    expression = "".join(words.get(word) or re.escape(word) for word in re.split(r"(\*\*|\*)", pattern))
    return re.fullmatch(expression, path) is not None


def concerned(parts: Iterable[Part], changed: Collection[str]) -> list[Part]:
    """Return the parts that cover at least one of the changed paths."""
    return [part for part in parts if any(matches(pattern, path) for pattern in part.paths for path in changed)]
