"""Runs one benchmark: `python -m benchmarks NAME`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import apply, capture, fleet_check, idle, initial_sync, namespaces, oplog_rates, printing, validation
from benchmarks.errors import TooLong, Unequal
from benchmarks.options import Options
from benchmarks.printing import Ratio

BENCHMARKS: Mapping[str, tuple[str, Callable[[Options], list[Ratio]]]] = {
    "initial_sync": (initial_sync.TITLE, initial_sync.run),
    "apply": (apply.TITLE, apply.run),
    "capture": (capture.TITLE, capture.run),
    "validation": (validation.TITLE, validation.run),
    "fleet_check": (fleet_check.TITLE, fleet_check.run),
    "idle": (idle.TITLE, idle.run),
    "namespaces": (namespaces.TITLE, namespaces.run),
    "oplog_rates": (oplog_rates.TITLE, oplog_rates.run),
}


def positive(text: str) -> int:
    """Read a number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def parse(arguments: Sequence[str] | None) -> tuple[str, Options]:
    """Read the command line. Exits with 2 and what is wrong."""
    usual = Options()
    names = "\n".join(f"  {name:<13} {title}" for name, (title, _) in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="bin/bench",
        description=f"Measures the agent against mongod on this machine.\n\n{names}",
        epilog="The last line is `ratio NAME VALUE goal GOAL`. No ratio is printed when both sides do not end equal.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=BENCHMARKS, metavar="NAME", help=" or ".join(BENCHMARKS))
    parser.add_argument(
        "--megabytes", type=positive, default=int(usual.megabytes), help="to copy or compare (%(default)s)"
    )
    parser.add_argument(
        "--operations", type=positive, default=usual.operations, help="in the oplog to capture or apply (%(default)s)"
    )
    parser.add_argument(
        "--rounds", type=positive, default=usual.rounds, help="of both sides in turns, the best counts (%(default)s)"
    )
    parser.add_argument("--jobs", type=positive, default=usual.jobs, help="of the fleet to check (%(default)s)")
    parser.add_argument(
        "--databases", type=positive, default=usual.databases, help="of the larger source of namespaces (%(default)s)"
    )
    found = parser.parse_args(arguments)
    return found.name, Options(found.megabytes, found.operations, found.rounds, found.jobs, found.databases)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark; returns the exit status: 0 when there is a ratio, whatever it is."""
    name, options = parse(arguments)
    title, run = BENCHMARKS[name]
    printing.say(f"{name}: {title}")
    try:
        ratios = run(options)
    except (Unequal, TooLong) as error:
        print(f"bin/bench: no ratio: {error}", file=sys.stderr)
        return 1
    for ratio in ratios:
        printing.say(ratio.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
