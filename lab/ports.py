"""Free TCP ports on the loopback interface that stay ours."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

from lab.errors import LabError

LOOPBACK = "127.0.0.1"
_LOWEST = 20000


class Port:
    """A port below the range of outgoing connections, reserved among all labs of this machine until released.

    A member that is down keeps its port: no outgoing connection can take it, and no other lab chooses it.
    """

    def __init__(self, number: int, lock: IO[str]) -> None:
        self.number = number
        self._lock = lock

    def release(self) -> None:
        self._lock.close()


def reserve() -> Port:
    """Reserve a free port."""
    candidates = list(range(_LOWEST, max(_first_outgoing(), _LOWEST + 1000)))
    random.SystemRandom().shuffle(candidates)
    for number in candidates:
        lock = _lock(number)
        if lock is None:
            continue
        if is_free(number):
            return Port(number, lock)
        lock.close()
    raise LabError(f"expected a free port on {LOOPBACK} from {_LOWEST} up; found none; stop what holds them")


def is_free(number: int) -> bool:
    """Tell whether nobody listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, number))
        except OSError:
            return False
    return True


def _first_outgoing() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32768


def _lock(number: int) -> IO[str] | None:
    directory = Path(tempfile.gettempdir()) / f"mongodb-lab-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    handle = (directory / str(number)).open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle
