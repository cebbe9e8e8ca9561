"""Faults on demand: answers that say no, answers that never come, and a server that dies."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

When = Literal["before", "after"]
Kind = Literal["answer", "hang", "cut", "die", "page"]
PROXY_PAGE = """<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>Bad Gateway</h1></center><hr><center>proxy</center></body></html>
"""


@dataclass
class Fault:
    """What goes wrong, with which requests, how often, and whether the request has had its effect by then."""

    kind: Kind
    method: str | None
    path: str
    when: When = "before"
    times: int | None = 1
    status: int = 500
    error_code: str | None = None
    detail: str = "A fault was asked for."
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    revive: bool = False
    """Whether a server that died is back at once."""
    skip: int = 0
    """How many requests that match go well before."""
    happened: int = 0

    def concerns(self, method: str, path: str) -> bool:
        return self.method in (None, method) and re.search(self.path, path) is not None

    def skipped(self) -> bool:
        """Say whether this request is one of those that go well before, and count it."""
        self.skip -= 1
        return self.skip >= 0

    @property
    def is_over(self) -> bool:
        return self.times is not None and self.happened >= self.times


class Faults:
    """The faults that are still to happen, the oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self.released = threading.Event()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults, and let go of the requests that hang."""
        with self._lock:
            self._waiting.clear()
        self.released.set()
        self.released = threading.Event()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault of this request, and count it."""
        with self._lock:
            for fault in self._waiting:
                if fault.concerns(method, path) and not fault.skipped():
                    fault.happened += 1
                    self._waiting = [one for one in self._waiting if not one.is_over]
                    return fault
        return None
