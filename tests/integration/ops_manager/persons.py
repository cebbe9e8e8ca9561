"""What people do: they press buttons, and they wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.ops_manager import Emulator


def press_button(om: Emulator, part: str) -> None:
    """Press the button as a person with a second factor does."""
    if om.press_resync(part) == "code asked for":
        om.verify()
        om.press_resync(part)


def until(condition: Callable[[], Any], what: str, seconds: float = 300) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
