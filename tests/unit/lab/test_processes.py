from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lab import ports, processes, supervisor
from lab.errors import LabError
from lab.replica_set import Member

ROOT = Path(__file__).resolve().parents[3]


def gone(pid: int, within_seconds: float = 10) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves the parent no time to clean up; the kernel does it."""
    code = (
        "import sys, time; from pathlib import Path; from lab import processes;"
        f"p = processes.spawn(['sleep', '60'], Path({str(tmp_path / 'out')!r})); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(child, 0)

    parent.kill()
    parent.wait()

    assert gone(child)


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A test may restart a member from a helper thread; the member must not die when that thread ends."""
    started: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: started.append(processes.spawn(["sleep", "60"], tmp_path / "out")))
    thread.start()
    thread.join()
    time.sleep(0.3)

    assert started[0].poll() is None
    assert processes.stop(started[0]) == -signal.SIGTERM


def test_a_frozen_child_can_be_stopped(tmp_path: Path) -> None:
    """Stopping wakes a child that SIGSTOP had frozen."""
    child = processes.spawn(["sleep", "60"], tmp_path / "out")
    child.send_signal(signal.SIGSTOP)

    assert processes.stop(child, timeout_seconds=5) == -signal.SIGTERM


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed after the time allowed."""
    child = processes.spawn(["sh", "-c", "trap '' TERM; echo ready; exec sleep 60"], tmp_path / "out")
    while b"ready" not in (tmp_path / "out").read_bytes():
        time.sleep(0.01)

    assert processes.stop(child, timeout_seconds=0.3) == -signal.SIGKILL


def test_reserved_ports_differ_until_released() -> None:
    """A port whose member is down is not given to anybody else, and lies below those of outgoing connections."""
    reserved = [ports.reserve() for _ in range(20)]
    numbers = {port.number for port in reserved}

    assert len(numbers) == 20
    assert all(ports.is_free(number) for number in numbers)
    for port in reserved:
        port.release()


def test_a_hidden_member_cannot_become_primary() -> None:
    """Hidden and delayed members get priority 0, as the server demands."""
    assert Member(hidden=True).config(2, "h:1")["priority"] == 0
    assert Member(delay_seconds=60).config(2, "h:1")["secondaryDelaySecs"] == 60
    assert not Member(hidden=True).electable
    assert "hidden" not in Member().config(0, "h:1")


def test_a_lab_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    """Stopping nothing is fine, asking it something is an error that says how to start one."""
    assert supervisor.take_down(tmp_path) is False
    with pytest.raises(LabError, match="lab up"):
        supervisor.read(tmp_path)
