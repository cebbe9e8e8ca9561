# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule that no test is skipped in silence, tried on a test run of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
SKIPPED = "import pytest\n\n@pytest.mark.skip\ndef test_a():\n    pass\n\n\ndef test_b():\n    pass\n"
WHOLE_FILE = "import pytest\n\npytest.skip('no', allow_module_level=True)\n"


@pytest.mark.parametrize(
    ("expected", "text", "allowed"),
    [
        (1, SKIPPED, "# none\n"),
        (0, SKIPPED, "# because\ntest_it.py::test_a\n"),
        (1, WHOLE_FILE + SKIPPED, ""),
        (0, "def test_b():\n    pass\n", ""),
    ],
)
def test_a_skip_fails_the_run_unless_allowed(tmp_path: Path, expected: int, text: str, allowed: str) -> None:
    """Only what is in the allow-file may be skipped, be it a test or a whole file."""
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "allowed-skips.txt").write_text(allowed)
    (tmp_path / "test_it.py").write_text(text)
    (tmp_path / "test_other.py").write_text("def test_c():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }  # loading what is not used takes most of the time
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert expected == ran.returncode, ran.stdout
    assert (expected == 1) is ("not allowed to be skipped" in ran.stdout)
