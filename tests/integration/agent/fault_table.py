"""The table of docs/source-faults.md: what must be seen for each fault."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "source-faults.md"


@dataclass(frozen=True)
class Expected:
    """One row: the verdict while the fault lasts, words among its reasons, the alert, and how it ends."""

    fault: str
    verdict: str
    says: str
    alert: str
    afterwards: str
    began: float = 0.0
    """`time.monotonic()` just before the fault was brought about."""


def rows() -> dict[str, Expected]:
    """Return the rows by fault."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    found = {}
    for line in lines[2:]:
        fault, _, verdict, says, alert, afterwards, _ = (cell.strip() for cell in line.strip("|").split("|"))
        assert re.fullmatch(r"`(ok|warning|critical|unknown)`", verdict), line
        found[fault] = Expected(fault, verdict.strip("`"), says, alert, afterwards)
    return found
