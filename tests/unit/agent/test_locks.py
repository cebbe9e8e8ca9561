"""What is installed with the agent: bin/lock writes it down, and this notices when it was not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
LOCKS = [*(ROOT / "agent/locks").glob("*.txt"), *(ROOT / "lab/demo").glob("*.txt")]
PROJECT = tomllib.loads((ROOT / "agent/pyproject.toml").read_text())


def entries(lock: Path) -> dict[str, tuple[Requirement, int]]:
    """Return what a lock names, with how many checksums each has."""
    found = {}
    for entry in re.split(r"\n(?=\S)", lock.read_text().strip()):
        requirement = Requirement(entry.split(" \\", 1)[0])
        found[requirement.name.lower()] = (requirement, len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry)))
    return found


def version(requirement: Requirement) -> str:
    """Return the one version that a requirement allows."""
    (only,) = requirement.specifier
    assert "==" == only.operator
    return only.version


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_each_package_has_one_version_and_checksums(lock: Path) -> None:
    """pip would refuse another kind of line, in the middle of an upgrade."""
    for requirement, checksums in entries(lock).values():
        assert version(requirement)
        assert checksums


def test_the_agent_gets_all_that_it_needs() -> None:
    """In the versions that it allows; pip does not look again."""
    locked = entries(ROOT / "agent/locks/agent.txt")
    for wanted in map(Requirement, PROJECT["project"]["dependencies"]):
        assert wanted.specifier.contains(version(locked[wanted.name.lower()][0])), f"{wanted}: run bin/lock"


def test_what_builds_the_agent_is_locked() -> None:
    """In a version that it allows."""
    (wanted,) = map(Requirement, PROJECT["build-system"]["requires"])
    assert wanted.specifier.contains(version(entries(ROOT / "agent/locks/build.txt")[wanted.name][0]))


def test_collections_have_one_version() -> None:
    """Those that production needs, too."""
    versions = re.findall(r"version: (.*)", (ROOT / "requirements.yml").read_text())
    assert versions
    assert all(re.fullmatch(r'"\d+\.\d+\.\d+"', found) for found in versions)
