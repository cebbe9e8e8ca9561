"""What has changed since the upstream's main branch, and what a developer's quick look at it runs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.runner.parts import ROOT, matches

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

UPSTREAM = "origin/main"
#: Unit tests by what they cover. A changed file below tests/unit is a test itself, or serves those beside it.
COVERED = (
    (("agent/**",), "tests/unit/agent"),
    (("benchmarks/**",), "tests/unit/benchmarks"),
    (("lab/**",), "tests/unit/lab"),
    (("tests/ops_manager/**",), "tests/unit/emulator"),
    (("plugins/**", "roles/**"), "tests/unit/plugins"),
    (("tests/runner/**", "bin/**", "docs/testing.md", "tests/conftest.py", "pyproject.toml"), "tests/unit/runner"),
    (("**.md", "**.yml", "bin/**", "agent/**", "plugins/**"), "tests/unit/test_*.py"),
)
#: Packages that mypy checks, by their files.
TYPED = (
    ("plugins/module_utils/**", "ansible_collections.mongodb_ops.backup.plugins.module_utils"),
    ("plugins/plugin_utils/**", "ansible_collections.mongodb_ops.backup.plugins.plugin_utils"),
    ("agent/src/**", "backup_agent"),
    ("benchmarks/**", "benchmarks"),
    ("tests/ops_manager/**", "tests.ops_manager"),
    ("tests/unit/emulator/**", "tests.unit.emulator"),
    ("tests/runner/**", "tests.runner"),
)


def git(*arguments: str) -> str:
    """Return what Git says; raise CalledProcessError when it cannot say it."""
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def base() -> str:
    """Return the commit that changes are seen against.

    That is where this branch left the upstream's main branch; on that branch itself, and without an upstream, the commit before.
    """
    try:
        commit = git("merge-base", UPSTREAM, "HEAD").strip()
    except subprocess.CalledProcessError:
        return "HEAD~"
    return "HEAD~" if commit == git("rev-parse", "HEAD").strip() else commit


def changed_files(since: str) -> list[str]:
    """Return what differs from a commit, committed or not, with what Git does not know yet; deleted files too."""
    tracked = git("diff", "--name-only", "--no-renames", since)
    new = git("ls-files", "--others", "--exclude-standard")
    return sorted({*tracked.splitlines(), *new.splitlines()})


def unit_tests(changed: Collection[str]) -> list[str]:
    """Return the paths of the unit tests that cover what changed."""
    covering = {tests for patterns, tests in COVERED for path in changed if any(matches(p, path) for p in patterns)}
    found = {str(path.relative_to(ROOT)) for tests in covering for path in ROOT.glob(tests)}
    for path in map(Path, changed):
        if path.is_relative_to("tests/unit"):
            is_test = path.name.startswith("test_") and (ROOT / path).exists()
            found |= {str(path if is_test else next(p for p in path.parents if (ROOT / p).is_dir()))}
    return sorted(path for path in found if not any(str(parent) in found for parent in Path(path).parents))


def quick_commands(changed: Collection[str]) -> list[Sequence[str]]:
    """Return the command lines that check what changed: linters over the files, types of their packages, unit tests."""
    there = [path for path in changed if (ROOT / path).is_file() and not (ROOT / path).is_symlink()]
    python = [path for path in there if path.endswith(".py")]
    shell = [path for path in there if path.startswith("bin/") and _is_bash(ROOT / path)]
    packages = [name for pattern, name in TYPED if any(matches(pattern, path) for path in changed)]
    tests = unit_tests(changed)
    commands = [
        (["ruff", "check"], python),
        (["ruff", "format", "--check"], python),
        (["yamllint", "--strict"], [path for path in there if path.endswith((".yml", ".yaml"))]),
        (["shellcheck", "--external-sources"], shell),
        (["mypy"], [word for name in packages for word in ("-p", name)]),
        (["lint-imports", "--no-logo"], ["--no-cache"] if packages else []),
        (["pytest", "-q", "-n", "2", "--dist", "worksteal"], tests),
    ]
    return [[*command, *arguments] for command, arguments in commands if arguments]


def _is_bash(path: Path) -> bool:
    return path.suffix == ".sh" or path.read_bytes().startswith(b"#!/usr/bin/env bash")
