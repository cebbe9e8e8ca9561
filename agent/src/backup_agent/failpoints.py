"""Named places where a test can break the agent, by step and in the real process.

Off unless the environment variable BACKUP_AGENT_FAILPOINTS is set: `name=action` pairs, separated by commas. Actions: `kill`
(SIGKILL, as a crash), `error` (the step fails), `stop:SECONDS` (it stalls), `hold:DIRECTORY` (it waits while the file `NAME.hold`
is there, and makes `NAME.held` meanwhile), `run:PATH` (a program is run, with what is known of the place in `FAILPOINT_…`
variables).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from backup_agent.errors import BadConfiguration, OperationFailed

VARIABLE = "BACKUP_AGENT_FAILPOINTS"
HOLD_POLL_SECONDS = 0.02


def parse(text: str) -> dict[str, str]:
    """Return the action of each point. Raises BadConfiguration for a pair without `=`."""
    actions = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, separator, action = pair.partition("=")
        if not separator:
            raise BadConfiguration(f"{VARIABLE}: expected name=action, found {pair!r}; write name=kill, for example")
        actions[name] = action
    return actions


def reach(name: str, **context: Any) -> None:
    """Carry out what was asked for at this point; nothing without the variable.

    Raises OperationFailed for `error` and for a program that fails, BadConfiguration for an unknown action.
    """
    text = os.environ.get(VARIABLE)
    if not text:
        return
    action = parse(text).get(name)
    if action is not None:
        _carry_out(name, action, context)


def _carry_out(name: str, action: str, context: dict[str, Any]) -> None:
    word, _, value = action.partition(":")
    match word:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "error":
            raise OperationFailed(f"failure point {name} was reached and {VARIABLE} asks for an error; unset it")
        case "stop":
            time.sleep(float(value))
        case "run":
            _run(name, value, context)
        case "hold":
            _hold(Path(value), name)
        case _:
            raise BadConfiguration(
                f"{VARIABLE}: expected kill, error, stop:SECONDS, run:PATH or hold:DIRECTORY, found {action!r}; correct it"
            )


def _hold(directory: Path, name: str) -> None:
    """Wait while the file `NAME.hold` exists. Meanwhile the process runs and is not stopped."""
    wanted, held = directory / f"{name}.hold", directory / f"{name}.held"
    if wanted.exists():
        held.touch()
        while wanted.exists():
            time.sleep(HOLD_POLL_SECONDS)
        held.unlink(missing_ok=True)


def _run(name: str, program: str, context: dict[str, Any]) -> None:
    variables = {f"FAILPOINT_{key.upper()}": str(value) for key, value in context.items()}
    environment = {**os.environ, **variables}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise OperationFailed(
            f"failure point {name}: expected {program} to succeed, found exit {done.returncode}: {done.stderr[-500:]}"
        )
