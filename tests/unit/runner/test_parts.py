# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of parts is true: each can be run, is on the page, and covers files that there are."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.runner.changes import COVERED, TYPED, git
from tests.runner.order import FILE, seconds_of_files
from tests.runner.parts import ORDINARY, PARTS, RELEASE, ROOT, Part, concerned, matches

FUNCTIONS = (ROOT / "bin/lib/parts.sh").read_text() + (ROOT / "bin/lib/versions.sh").read_text()
PAGE = (ROOT / "docs/testing.md").read_text()
PATTERNS = [(part.name, pattern) for part in RELEASE for pattern in part.paths]
PATTERNS += [(tests, pattern) for patterns, tests in COVERED for pattern in patterns]
PATTERNS += [(package, pattern) for pattern, package in TYPED]


@cache
def files() -> list[str]:
    """Return every file that Git knows, or would."""
    return git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()


@pytest.mark.parametrize("part", PARTS.values(), ids=lambda part: part.name)
def test_a_part_has_its_commands_and_its_row(part: Part) -> None:
    """Its function is there, and the table of durations has it."""
    assert re.search(rf"^part_{part.name}\(\) ", FUNCTIONS, re.MULTILINE)
    assert re.search(rf"^\| `{part.name}` \|.*\| {re.escape(part.proves)} \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("part", RELEASE, ids=lambda part: part.name)
def test_a_part_of_a_release_says_what_it_covers(part: Part) -> None:
    """On the page stand the same patterns as in the table."""
    item = re.search(rf"^\* `{part.name}`: ((?:`[^`]+`,?\s+)+)", PAGE, re.MULTILINE)
    assert item
    assert tuple(re.findall(r"`([^`]+)`", item[1])) == part.paths


@pytest.mark.parametrize(("owner", "pattern"), PATTERNS)
def test_a_pattern_matches_something(owner: str, pattern: str) -> None:
    """A pattern that no file has any more covers nothing."""
    assert any(matches(pattern, path) for path in files()), owner


def test_parts_are_named_once() -> None:
    """An ordinary part is not one of a release too."""
    assert len(PARTS) == len(ORDINARY) + len(RELEASE)


def test_what_a_change_asks_for() -> None:
    """The parts that cover one of the paths, and no other."""
    names = [part.name for part in concerned(RELEASE, ["roles/check/README.md", "molecule/minimal/molecule.yml"])]
    assert names == ["versions", "minimal", "image"]
    assert concerned(RELEASE, ["README.md"]) == []
    assert "matrix" in [part.name for part in concerned(RELEASE, ["agent/src/backup_agent/sync/copying.py"])]


def test_the_order_names_files_that_there_are() -> None:
    """A file that was renamed would lose its place without a word."""
    assert [path for path in seconds_of_files(FILE.read_text()) if not path.exists()] == []
