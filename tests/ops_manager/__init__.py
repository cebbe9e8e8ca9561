"""A stateful stand-in for the public API of Ops Manager and Cloud Manager, with its faults, for tests and by hand."""

from __future__ import annotations

from tests.ops_manager.emulator import Emulator
from tests.ops_manager.settings import Switches, Timing

__all__ = ["Emulator", "Switches", "Timing"]
