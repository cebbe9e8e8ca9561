"""What is freed goes back to the system."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from backup_agent.raw.memory import without_looking_for_cycles

PROGRAM = """
import sys
from pathlib import Path
from backup_agent.raw.memory import return_what_is_freed
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
if sys.argv[1] == "tuned":
    assert return_what_is_freed()
for _ in range(2):  # the first one to be freed raises glibc's threshold
    pieces = [bytearray(b"x") * (15 << 20) for _ in range(6)]
    keep = bytearray(b"y") * (15 << 20)
    del pieces
print(resident())
"""


def resident_megabytes(how: str) -> float:
    """Return what a process keeps after it has freed six of seven large pieces, twice."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return int(done.stdout) / 2**20


def test_large_pieces_are_given_back_at_once() -> None:
    """Untuned, pieces below one that is still in use stay with the process; tuned, each goes back by itself."""
    assert resident_megabytes("tuned") < 60
    assert resident_megabytes("tuned") + 30 < resident_megabytes("plain")


def test_cycles_are_looked_for_again_afterwards() -> None:
    """Also when the work fails, and not where somebody else had switched it off."""
    with pytest.raises(KeyError, match="False"), without_looking_for_cycles():
        raise KeyError(gc.isenabled())
    assert gc.isenabled()
    with without_looking_for_cycles():
        with without_looking_for_cycles():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
