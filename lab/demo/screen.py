"""What the demo prints."""

from __future__ import annotations

import sys
import textwrap

WIDTH = 100


def heading(number: int, text: str) -> None:
    """Print the numbered heading of a step."""
    say(f"\n{_bold(f'{number}. {text}')}\n{'─' * min(WIDTH, len(text) + 3)}")


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def tell(text: str) -> None:
    """Print prose, wrapped."""
    say(textwrap.fill(" ".join(text.split()), WIDTH))


def fact(name: str, value: str) -> str:
    """Return one line of a block of facts; further lines of the value are indented below it."""
    first, *rest = value.splitlines() or [""]
    return "\n".join([f"  {name:<14} {first}", *(f"  {'':<14} {line}" for line in rest)])


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text
