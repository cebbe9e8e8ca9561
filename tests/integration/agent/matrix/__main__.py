"""`python tests/integration/agent/matrix [STEP [FAULT]]`: run the cells (all, a row, one) and print the table."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(ROOT)]

from matrix.bench import a_bench  # noqa: E402 - the paths come first
from matrix.faults import FAULTS  # noqa: E402
from matrix.run import Result, measured, table  # noqa: E402
from matrix.steps import STEPS  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run the cells whose names match the arguments (regular expressions); returns 1 when one of them failed."""
    step_name, fault_name = (*arguments, "", "")[:2]
    cells = [(s, f) for s in STEPS for f in FAULTS if re.search(step_name, s.name) and re.search(fault_name, f.name)]
    began = time.monotonic()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="crash-matrix-") as where, a_bench(Path(where)) as bench:
        for step, fault in cells:
            result = measured(bench, step, fault)
            results.append(result)
            print(result, flush=True)
    failed = [r for r in results if r.wrong is not None]
    print(table(results))
    print(f"{len(results)} cells, {len(failed)} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
