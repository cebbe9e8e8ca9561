# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts run beside each other, each with a log of its own, and nothing of them outlives an interruption."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.runner import processes
from tests.runner.lanes import Lanes, described, endings
from tests.runner.parts import ROOT, Part

#: Runs shell commands as parts named p0, p1 and so on, after its first argument: the directory of the logs.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from tests.runner import processes
from tests.runner.__main__ import _interrupted
from tests.runner.lanes import Lanes
from tests.runner.parts import Part
signal.signal(signal.SIGTERM, _interrupted)
parts = [Part(f"p{number}", "") for number in range(len(sys.argv) - 2)]
try:
    Lanes(Path(sys.argv[1]), lambda part: ["bash", "-c", sys.argv[2 + int(part.name[1:])]], lanes=2).run(parts)
finally:
    processes.kill_all(os.environ[processes.MARK])
"""


def lanes(directory: Path, **commands: str) -> Lanes:
    """Return lanes whose parts are commands of a shell."""
    return Lanes(directory, lambda part: ["bash", "-c", commands[part.name]], heartbeat=0.2)


def parts(*names: str, alone: str = "") -> list[Part]:
    """Return parts that prove nothing."""
    return [Part(name, "", alone=alone) for name in names]


def test_two_at_once_and_neither_between_the_lines_of_the_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each waits for the other, which only works side by side; their lines are not mixed, and the watcher sees who runs."""
    wait = "echo {0} begins; touch {0}; until [ -e {1} ]; do sleep 0.05; done; sleep 0.5; echo {0} ends"
    commands = {"a": f"cd {tmp_path}; " + wait.format("a", "b"), "b": f"cd {tmp_path}; " + wait.format("b", "a")}

    results = lanes(tmp_path / "logs", **commands).run(parts("a", "b"))

    printed = capfd.readouterr().out
    assert [(result.part.name, result.passed) for result in results] == [("a", True), ("b", True)]
    assert "a begins\na ends\n" in printed
    assert "b begins\nb ends\n" in printed
    assert re.search(r"^-- \d+ s: (a|b) since \d+ s, (a|b) since \d+ s$", printed, re.MULTILINE)


def test_what_a_part_says_of_its_end(tmp_path: Path) -> None:
    """The exit code decides, a note is passed on, and the seconds of processors are those of the part's processes."""
    busy = "python3 -c 'import time\nwhile time.process_time() < 0.6: pass'"
    commands = {
        "good": busy,
        "bad": "echo early; echo why; exit 3",
        "noted": 'echo SKIPPED: no root > "$BACKUP_TEST_NOTE"',
        "killed": "kill -9 $$",
    }

    results = lanes(tmp_path, **commands).run(parts(*commands))

    good, bad, noted, killed = results
    assert [result.passed for result in results] == [True, False, True, False]
    assert good.processor == pytest.approx(0.6, abs=0.3)
    assert described(noted) == "noted: passed, 0 s, processor 0 s (SKIPPED: no root)"
    assert described(bad).startswith("bad: FAILED, ")
    assert not killed.note
    assert endings(results, tmp_path, lines=1) == "\n== the end of bad\nwhy\n\n== the end of killed\n"


def test_one_at_a_time_where_they_share_something(tmp_path: Path) -> None:
    """Two parts that use the same machines never meet."""
    command = f"mkdir {tmp_path}/taken && sleep 0.2 && rmdir {tmp_path}/taken"

    results = lanes(tmp_path / "logs", a=command, b=command).run(parts("a", "b", alone="machines"))

    assert all(result.passed for result in results)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    """Parts are asked first, so that they can clean up; what was detached is killed; what waited does not begin."""
    asked = f"trap 'touch {tmp_path}/cleaned; exit 130' INT; touch {tmp_path}/1; sleep 600"
    detached = f"setsid sleep 600 & touch {tmp_path}/2; wait"
    never = f"touch {tmp_path}/never"
    mark = f"{os.getpid()}-{number}"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "logs"), asked, detached, never]
    run = subprocess.Popen(command, cwd=ROOT, env={**os.environ, processes.MARK: mark})
    try:
        while not ((tmp_path / "1").exists() and (tmp_path / "2").exists()):
            assert run.poll() is None
            time.sleep(0.05)
        assert len(processes.left_behind(mark)) >= 3

        run.send_signal(number)

        assert run.wait(timeout=20) != 0
    finally:
        run.kill()
        left = processes.left_behind(mark)
        processes.kill_all(mark)
    assert left == {}
    assert (tmp_path / "cleaned").exists()
    assert not (tmp_path / "never").exists()


def test_what_was_left_behind_is_named(tmp_path: Path) -> None:
    """A process that a part has left is found by its mark, with its command line; one of another run is not."""
    mark = f"{os.getpid()}-left"
    started = subprocess.Popen(["sleep", "600"], env={**os.environ, processes.MARK: mark})
    try:
        assert processes.wait_until_gone(mark, seconds=0.1) == {started.pid: "sleep 600"}
        assert processes.left_behind(f"{mark}-of-another") == {}
    finally:
        processes.kill_all(mark)
        started.wait()
