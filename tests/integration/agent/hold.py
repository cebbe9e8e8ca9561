"""Holds an agent at a failure point, so that a test can write at exactly that moment."""

from __future__ import annotations

from pathlib import Path

from harness import wait_until


class Hold:
    """Lets an agent wait at a failure point until it is released. The program ends with its agent, also when a test fails."""

    def __init__(self, directory: Path) -> None:
        self._reached, self._go = directory / "reached", directory / "go"
        self._program = directory / "hold.sh"
        held = f"[ ! -e {self._go} ] && kill -0 $PPID"
        self._program.write_text(f"#!/bin/sh\ntouch {self._reached}\nwhile {held}; do sleep 0.05; done\n")
        self._program.chmod(0o755)

    @property
    def action(self) -> str:
        """The action to give to the failure point."""
        return f"run:{self._program}"

    def close(self) -> None:
        """Let the agent wait the next time it comes to the point."""
        self._reached.unlink(missing_ok=True)
        self._go.unlink(missing_ok=True)

    def wait(self, seconds: float = 300) -> None:
        """Wait until the point is reached."""
        wait_until("the failure point is reached", self._reached.exists, seconds)

    def release(self) -> None:
        """Let the agent go on, here and the next times."""
        self._go.touch()
