"""The benchmarks can be run: the smallest one, as small as it can be. People judge what they measure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]


def test_a_benchmark_ends_with_its_ratio() -> None:
    """Both sides end equal, and the last line names the benchmark, the ratio and the goal."""
    command = [sys.executable, "-m", "benchmarks", "capture", "--operations", "4000", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    name, benchmark, value, *goal = done.stdout.splitlines()[-1].split()
    assert [name, benchmark, *goal] == ["ratio", "capture", "goal", "0.8"]
    assert float(value) > 0
