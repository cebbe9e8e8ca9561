"""Makes a program that fails smaller by leaving steps out: many at a time at first, because each attempt runs on real servers."""

from __future__ import annotations

from collections.abc import Callable

from programs import Program, Step

PARTS = ("before", "during", "after")
Placed = list[tuple[str, Step]]
"""Steps with the part of the program that each belongs to."""


def reduced(program: Program, fails: Callable[[Program], bool]) -> Program:
    """Return a part of a program that still fails, of which no single step can be left out. `fails` runs one."""
    placed: Placed = [(part, step) for part in PARTS for step in getattr(program, part)]
    size = max(1, len(placed) // 2)
    while True:
        start, before = 0, len(placed)
        while start < len(placed):
            fewer = placed[:start] + placed[start + size :]
            if fails(_program(fewer, program.patient)):
                placed = fewer
            else:
                start += size
        if size == 1 and len(placed) == before:
            return _program(placed, program.patient)
        size = max(1, size // 2)


def _program(placed: Placed, patient: bool) -> Program:
    parts = {part: tuple(step for where, step in placed if where == part) for part in PARTS}
    return Program(**parts, patient=patient)
