"""What the last runs took, kept below .cache/test, and where it is written down for all: a page, and an order of files."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tests.runner.order import FILE as ORDER
from tests.runner.parts import ORDINARY, PARTS, RELEASE, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.runner.lanes import Result
    from tests.runner.parts import Part

DIRECTORY = ROOT / ".cache/test"
PAGE = ROOT / "docs/testing.md"
SLOWEST = 20
_BEGIN, _END = "<!-- begin: bin/test durations -->", "<!-- end -->"
Taken = dict[str, dict[str, float | str]]


def keep(results: Iterable[Result], directory: Path = DIRECTORY) -> None:
    """Add what parts that passed have taken to what is kept of earlier ones."""
    today = date.today().isoformat()  # noqa: DTZ011 - the day on the wall of whoever ran it
    new = {
        result.part.name: {"seconds": round(result.seconds), "processor": round(result.processor), "day": today}
        for result in results
        if result.passed and not result.note
    }
    (directory / "taken.json").write_text(json.dumps({**taken(directory), **new}, indent=1))


def taken(directory: Path = DIRECTORY) -> Taken:
    """Return seconds, seconds of processor and day of the newest run of each part, by its name."""
    path = directory / "taken.json"
    found: Taken = json.loads(path.read_text()) if path.exists() else {}
    return {name: values for name, values in found.items() if name in PARTS}


def seconds_of_tests(directory: Path = DIRECTORY) -> dict[tuple[str, str], float]:
    """Return the seconds of each test, by its file and its name, with what was set up for it and taken down."""
    cases = (case for path in sorted(directory.glob("*.xml")) for case in ElementTree.parse(path).iter("testcase"))
    return {(case.get("file", ""), case.get("name", "")): float(case.get("time", 0)) for case in cases}


def table(measured: Taken, durations: Mapping[tuple[str, str], float]) -> str:
    """Return the tables of parts and of the slowest tests, in Markdown."""
    days = sorted(str(values["day"]) for values in measured.values())
    lines = [f"Measured on {' to '.join(sorted({days[0], days[-1]}))}.", ""] if days else []
    lines += ["| part | before | seconds | processor | proves |", "| --- | --: | --: | --: | --- |"]
    lines += [_row(part, measured) for part in ORDINARY]
    before = sum(part.before or 0 for part in ORDINARY)
    lines += [f"| all of these | {before} | {_sum(measured, 'seconds')} | {_sum(measured, 'processor')} | |"]
    lines += [_row(part, measured) for part in RELEASE]
    slowest = sorted(durations, key=lambda test: -durations[test])[:SLOWEST]
    lines += [
        "",
        f"The {SLOWEST} slowest tests, with what is set up for them:",
        "",
        "| seconds | test |",
        "| --: | --- |",
    ]
    lines += [f"| {durations[test]:.1f} | `{test[0]}`: `{_short(test[1])}` |" for test in slowest]
    return "\n".join(lines)


def _row(part: Part, measured: Taken) -> str:
    values = measured.get(part.name, {})
    seconds, processor = values.get("seconds", "–"), values.get("processor", "–")
    return f"| `{part.name}` | {part.before or '–'} | {seconds} | {processor} | {part.proves} |"


def _sum(measured: Taken, what: str) -> int:
    return round(sum(float(measured.get(part.name, {}).get(what, 0)) for part in ORDINARY))


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"


def write(page: Path = PAGE, order: Path = ORDER, directory: Path = DIRECTORY) -> None:
    """Write the tables into the page, between their marks, and the integration tests' files into their order."""
    durations = seconds_of_tests(directory)
    text = page.read_text()
    block = f"{_BEGIN}\n\n{table(taken(directory), durations)}\n\n{_END}"
    page.write_text(re.sub(f"{_BEGIN}.*{_END}", lambda _: block, text, flags=re.DOTALL))
    files: Counter[str] = Counter()
    for (file, _), seconds in durations.items():
        if file.startswith("tests/integration/"):
            files[file] += round(seconds)
    if files:
        order.write_text("".join(f"{seconds} {file}\n" for file, seconds in files.most_common()))
