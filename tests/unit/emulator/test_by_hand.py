"""The emulator as a program: it says where it is, its button is a signal, it ends when told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.ops_manager import Emulator
from tests.unit.emulator.asking import Asker, wait_until

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(("scenario", "configs"), [("replica_set", 1), ("sharded", 4)])
def test_by_hand(scenario: str, configs: int) -> None:
    """A resync begins by SIGUSR1 and ends; SIGTERM ends the program."""
    command = [sys.executable, "-m", "tests.ops_manager", "--scenario", scenario, "--sync-seconds", "0.1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            shown: dict[str, Any] = json.loads(program.stdout.readline())
            om = SimpleNamespace(**shown, project_id=shown["project"])
            ask = Asker(cast(Emulator, om))
            assert ask.get("backupConfigs")["totalCount"] == configs
            program.send_signal(signal.SIGUSR1)
            assert json.loads(program.stdout.readline()) == {"resync": "started"}
            wait_until("the end of the resync", lambda: ask.kinds("RESYNC_PERFORMED"))
        finally:
            program.terminate()
        assert program.wait(10) == 0
