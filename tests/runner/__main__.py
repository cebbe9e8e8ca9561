"""The command line behind `bin/test`, which makes the environment first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import NoReturn

from tests.runner import changes, durations, processes
from tests.runner.lanes import Lanes, described, endings
from tests.runner.parts import ORDINARY, PARTS, RELEASE, ROOT, Part, concerned


def main(arguments: list[str]) -> int:
    """Run what is asked for and return the exit code: 0 passed, 1 failed, 2 not understood."""
    match arguments:
        case ["durations"]:
            durations.write()
            return 0
        case ["quick"]:
            return quick()
        case ["release", "--changed"]:
            since = changes.base()
            parts = concerned(RELEASE, changes.changed_files(since))
            print(
                f"changed since {since}: {' '.join(part.name for part in parts) or 'nothing that a release looks at'}"
            )
        case _:
            unknown = [name for name in arguments if name not in (*PARTS, "release")]
            if unknown:
                print(f"bin/test: expected parts ({' '.join(PARTS)}) or release, found {unknown[0]}", file=sys.stderr)
                return 2
            parts = [part for name in arguments for part in (RELEASE if name == "release" else [PARTS[name]])]
            parts = parts or list(ORDINARY)
    return run(parts)


def run(parts: list[Part]) -> int:
    """Run parts, look for what they leave behind, and print the summary."""
    began = float(os.environ["BACKUP_TEST_BEGAN"])
    mark = os.environ[processes.MARK]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        results = Lanes(durations.DIRECTORY, lambda part: [ROOT / "bin/lib/part", part.name]).run(parts)
    except BaseException:
        processes.kill_all(mark)
        raise
    durations.keep(results)
    print(endings(results, durations.DIRECTORY), end="", flush=True)
    print("\n== processes left behind", flush=True)
    left = processes.wait_until_gone(mark)
    print("\n".join(f"{process} {command}" for process, command in left.items()) or "none")
    passed = not left and all(result.passed for result in results)
    print("\n== summary", *map(described, results), sep="\n")
    print(f"in all: {'passed' if passed else 'FAILED'}, {time.time() - began:.0f} s")
    return 0 if passed else 1


def quick() -> int:
    """Check what has changed, as far as that takes no servers."""
    since = changes.base()
    changed = changes.changed_files(since)
    print(f"{len(changed)} files changed since {since}")
    failed = []
    environment = {**os.environ, "PYTHONPATH": ".ansible/collections"}  # where lint-imports looks for the collection
    for command in changes.quick_commands(changed):
        print(f"-- {command[0]}", flush=True)
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
            failed.append(command[0])
    print(f"FAILED: {' '.join(failed)}" if failed else "passed")
    return 1 if failed else 0


def _interrupted(number: int, _frame: FrameType | None) -> NoReturn:
    # What ends this run is of no more use while it ends.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
