"""What a benchmark prints. Sizes are in decimal megabytes."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as the rival the agent was, and how fast it is meant to be."""

    name: str
    value: float
    goal: float | None = None

    def line(self) -> str:
        """Return the line that is read by people and by scripts."""
        return f"ratio {self.name} {self.value:.2f}" + (f" goal {self.goal:.1f}" if self.goal is not None else "")


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


def measured(what: str, seconds: float, amount: str) -> None:
    """Print one measurement, with what else kept the machine busy."""
    say(f"  {what:<52} {seconds:7.2f} s   {amount}   (load {os.getloadavg()[0]:.1f})")


def megabytes(size: int, seconds: float) -> str:
    """Return a size and its rate."""
    return f"{size / 1e6:,.0f} MB, {size / 1e6 / seconds:,.0f} MB/s"


def operations(count: int, seconds: float) -> str:
    """Return a number of operations and its rate."""
    return f"{count:,} operations, {count / seconds:,.0f} a second"
