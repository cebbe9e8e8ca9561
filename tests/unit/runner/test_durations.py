# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs took is kept, and written into the page."""

from __future__ import annotations

from pathlib import Path

from tests.runner import durations
from tests.runner.lanes import Result
from tests.runner.parts import PARTS

XML = """<testsuites><testsuite>
<testcase classname="x" name="test_a" file="tests/integration/test_x.py" time="2.0"/>
<testcase classname="x" name="test_b[1]" file="tests/integration/test_x.py" time="1.25"/>
<testcase classname="y" name="test_c" file="tests/integration/test_y.py" time="9.5"/>
</testsuite></testsuites>"""


def result(name: str, seconds: float, *, passed: bool = True, note: str = "") -> Result:
    """Return how a part ended."""
    return Result(PARTS[name], passed, seconds, seconds / 2, note)


def test_the_newest_of_each_part_that_passed_is_kept(tmp_path: Path) -> None:
    """What failed, or left something out, says nothing of how long it takes."""
    durations.keep([result("lint", 99), result("unit", 60)], tmp_path)
    durations.keep([result("lint", 50), result("unit", 1, passed=False), result("image", 1, note="SKIPPED")], tmp_path)

    assert {name: values["seconds"] for name, values in durations.taken(tmp_path).items()} == {"lint": 50, "unit": 60}


def test_the_page_and_the_order_are_written(tmp_path: Path) -> None:
    """Between its marks, the rest of the page stays; files come with the longest first."""
    page, order = tmp_path / "page.md", tmp_path / "order.txt"
    page.write_text("before\n<!-- begin: bin/test durations -->\nearlier\n<!-- end -->\nafter\n")
    (tmp_path / "integration.xml").write_text(XML)
    durations.keep([result("lint", 50.4)], tmp_path)

    durations.write(page, order, tmp_path)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "earlier" not in text
    assert f"| `lint` | 138 | 50 | 25 | {PARTS['lint'].proves} |" in text
    assert f"| `memory` | – | – | – | {PARTS['memory'].proves} |" in text
    assert text.index("`test_c`") < text.index("`test_a`") < text.index("`test_b[1]`")
    assert order.read_text() == "10 tests/integration/test_y.py\n3 tests/integration/test_x.py\n"
