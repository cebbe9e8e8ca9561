# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change asks for, in a repository of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.runner import changes


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository with one commit on a main branch that was pushed, and one on a branch."""
    monkeypatch.setattr(changes, "ROOT", tmp_path)
    for name in ("NAME=a", "EMAIL=a@example.com"):
        for role in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{role}_{name.partition('=')[0]}", name.partition("=")[2])
    (tmp_path / "old.py").write_text("")
    (tmp_path / "kept.py").write_text("")
    for command in ("init --quiet --initial-branch main", "add --all", "commit --quiet -m first"):
        run(tmp_path, command)
    run(tmp_path, "update-ref refs/remotes/origin/main HEAD")
    (tmp_path / "README.md").write_text("")
    run(tmp_path, "checkout --quiet -b work")
    run(tmp_path, "add --all")
    run(tmp_path, "commit --quiet -m second")
    return tmp_path


def run(repository: Path, command: str) -> None:
    """Run a command of Git."""
    subprocess.run(["git", *command.split()], cwd=repository, check=True)


def test_what_has_changed(repository: Path) -> None:
    """Committed on the branch, deleted and not committed, and new: all of it; not what Git ignores."""
    (repository / "old.py").unlink()
    (repository / ".gitignore").write_text("*.log\n")
    (repository / "a.log").write_text("")

    assert changes.changed_files(changes.base()) == [".gitignore", "README.md", "old.py"]


def test_on_the_main_branch(repository: Path) -> None:
    """Where nothing differs from what was pushed, the last commit is what has changed."""
    run(repository, "update-ref refs/remotes/origin/main HEAD")
    assert changes.changed_files(changes.base()) == ["README.md"]


def test_without_an_upstream(repository: Path) -> None:
    """There too."""
    run(repository, "update-ref -d refs/remotes/origin/main")
    assert changes.changed_files(changes.base()) == ["README.md"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["tests/unit/agent/test_config.py"], {"tests/unit/agent/test_config.py"}),
        (["tests/unit/emulator/asking.py"], {"tests/unit/emulator"}),
        (["benchmarks/__main__.py", "tests/unit/benchmarks/test_data.py"], {"tests/unit/benchmarks"}),
        (["tests/unit/gone/test_it.py"], {"tests/unit"}),
        (["COPYING"], set()),
    ],
)
def test_unit_tests_of_a_change(changed: list[str], expected: set[str]) -> None:
    """A test by itself, what serves tests with all beside it, and code with its folder; nothing twice."""
    assert set(changes.unit_tests(changed)) == expected


def test_pages_are_checked_by_what_looks_at_the_whole_tree() -> None:
    """A page may name whatever there is."""
    assert "tests/unit/test_docs.py" in changes.unit_tests(["docs/faq.md"])


def test_commands_get_the_files_that_are_theirs() -> None:
    """Each linter gets its kind of files, and types are checked a package at a time."""
    commands = {
        words[0]: words for words in changes.quick_commands(["bin/test", "galaxy.yml", "tests/runner/order.py"])
    }

    assert commands["shellcheck"][-1] == "bin/test"
    assert commands["yamllint"][-1] == "galaxy.yml"
    assert commands["mypy"] == ["mypy", "-p", "tests.runner"]
    assert "tests/unit/runner" in commands["pytest"]
    assert "ruff" in commands
