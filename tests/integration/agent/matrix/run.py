"""Running cells, one or all of them."""

from __future__ import annotations

import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from matrix.bench import Bench
from matrix.cell import Cell, seconds_of
from matrix.faults import FAULTS, Fault
from matrix.steps import STEPS, Step
from matrix.traffic import Traffic

LOG_TAIL = 6000
"""Characters of the agent's log that a failed cell shows."""


@dataclass(frozen=True)
class Result:
    """How a cell ended: `ok`, or what was wrong."""

    step: str
    fault: str
    seconds: float
    wrong: str | None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the line of the cell."""
        ended = "ok" if self.wrong is None else f"FAILED: {self.wrong}"
        return f"{self.step} × {self.fault}: {'; '.join((ended, *self.notes))} ({self.seconds} s)"


def assert_survived(bench: Bench, step: Step, fault: Fault) -> list[str]:
    """Run one cell and return what was seen on the way. Raises AssertionError, or whatever else went wrong."""
    if step.work != "initial_sync":
        bench.refresh()
    where = Path(tempfile.mkdtemp(prefix="cell-", dir=bench.where))
    with bench.source.client() as client, Traffic(client, random.randrange(1000)) as traffic:
        cell = Cell(bench, step, where, fault.disks(step), traffic)
        try:
            cell.reach()
            fault.strike(cell)
            cell.release()
            cell.supervise()
            cell.wait_done()
            cell.compare(fault.alerts)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{cell.agent.log[-LOG_TAIL:]}") from error
        finally:
            cell.close()
            bench.writes += traffic.writes
    return cell.notes


def measured(bench: Bench, step: Step, fault: Fault) -> Result:
    """Run one cell and return how it ended, whatever happens."""
    began, wrong, notes = time.monotonic(), None, []
    try:
        notes = assert_survived(bench, step, fault)
    except Exception as error:  # noqa: BLE001 - the matrix is run to its end
        wrong = str(error)
    return Result(step.name, fault.name, seconds_of(began), wrong, tuple(notes))


def share() -> list[tuple[Step, Fault]]:
    """Return some cells, with every fault and every kind of work among them: what the integration suite runs."""
    faults = {fault.name: fault for fault in FAULTS}
    return [(step, faults[step.share]) for step in STEPS if step.share]


def table(results: list[Result]) -> str:
    """Return the matrix, steps as rows and faults as columns; each cell has how it ended and its seconds."""
    found = {(r.step, r.fault): ("ok" if r.wrong is None else "FAILED") + f" {r.seconds:.0f} s" for r in results}
    faults = [fault.name for fault in FAULTS if any(fault.name == r.fault for r in results)]
    steps = [step.name for step in STEPS if any(step.name == r.step for r in results)]
    rows = [["step", *faults], *([step, *(found[step, fault] for fault in faults)] for step in steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
