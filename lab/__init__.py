"""Throw-away MongoDB replica sets on the loopback interface, for the demo, the tests and the benchmarks."""

from __future__ import annotations

from lab.background import Writer
from lab.errors import LabError
from lab.replica_set import Member, ReplicaSet
from lab.rollover import roll_over

__all__ = ["LabError", "Member", "ReplicaSet", "Writer", "roll_over"]
