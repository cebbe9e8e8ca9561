"""Processes of the agent that need not import it: they are forked from one that has.

Python needs a second of processor time to import the agent, and the tests start it hundreds of times. Everything else is as
when it is executed: a process of its own, with its own environment, output and exit status.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from socketserver import ForkingMixIn, StreamRequestHandler, UnixStreamServer
from typing import Any

from backup_agent.__main__ import main
from lab import processes

START_SECONDS = 60


class Forked:
    """A process of the agent, with as much of the interface of `subprocess.Popen` as the tests use."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], output: Path, errors: Path) -> None:
        """Start `backup-agent` with these arguments; what it prints is appended to two files, or to one."""
        self._from = socket.socket(socket.AF_UNIX)
        self._from.connect(_server())
        asked = {
            "arguments": arguments,
            "environment": dict(environment),
            "output": str(output),
            "errors": str(errors),
            "processors": sorted(os.sched_getaffinity(0)),
        }
        self._from.sendall(json.dumps(asked).encode() + b"\n")
        self._said = self._from.makefile()
        self.pid = int(self._said.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, a signal as a negative number; None as long as the process runs."""
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status. Raises TimeoutError."""
        found = self._read(timeout)
        if found is None:
            raise TimeoutError(f"process {self.pid} has not ended in {timeout} s")
        return found

    def _read(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._from], [], [], seconds)[0]:
            self.returncode = int(self._said.readline())
            self._said.close()
            self._from.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def call(arguments: list[str], environment: Mapping[str, str], seconds: float = 120) -> tuple[int, str, str]:
    """Run a command of the agent to its end; returns its exit status, what it printed, and its errors."""
    with tempfile.TemporaryDirectory(prefix="forked-") as where:
        output, errors = Path(where) / "output", Path(where) / "errors"
        status = Forked(arguments, environment, output, errors).wait(seconds)
        return status, output.read_text(), errors.read_text()


_COMMAND = """#!{python} -IS
import json, os, socket, sys

if sys.argv[-1] == "run":  # the daemon is what its supervisor starts
    os.execv({agent!r}, [{agent!r}, *sys.argv[1:]])
connection = socket.socket(socket.AF_UNIX)
connection.connect({server!r})
here = f"/proc/{{os.getpid()}}/fd"
asked = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "output": here + "/1", "errors": here + "/2"}}
connection.sendall(json.dumps({{**asked, "processors": sorted(os.sched_getaffinity(0))}}).encode() + b"\\n")
said = connection.makefile()
said.readline()
sys.exit(int(said.readline()))
"""


def write_command(path: Path, agent: Path) -> None:
    """Write a program that runs commands of the agent as `call` does; a daemon is executed, by the installed `agent`."""
    path.write_text(_COMMAND.format(python=sys.executable, agent=str(agent), server=_server()))
    path.chmod(0o755)


# --- The process that they are forked from -------------------------------------------------------------------------------

# Python loads these when they are first used: root may be somebody else by then, who cannot read the Python of root's tests.
for _name in ("ascii", "idna", "latin_1", "unicode_escape"):
    codecs.lookup(_name)

directory: Path | None = None
"""Where the server is to be; one of its own where nobody says so."""

_running: dict[int, str] = {}
"""The address of the server by the process that has started it: a fork of this one needs its own."""


def _server() -> str:
    """Return the address of this process's server, which is started first if need be and ends with this process."""
    if os.getpid() not in _running:
        where = directory or Path(tempfile.mkdtemp(prefix="forked-"))
        address = where / "s"
        command = [sys.executable, __file__, str(address)]
        root = str(Path(__file__).parents[2])
        server = processes.spawn(command, where / "output", env={"PYTHONPATH": root})
        deadline = time.monotonic() + START_SECONDS
        while not address.exists():
            said = (where / "output").read_text()
            assert server.poll() is None, said
            assert time.monotonic() < deadline, f"not within {START_SECONDS} s: {said}"
            time.sleep(0.02)
        _running[os.getpid()] = str(address)
    return _running[os.getpid()]


class _Server(ForkingMixIn, UnixStreamServer):
    """Forks once for each connection, and that process forks the agent and waits for it."""

    max_children = 1000


class _Handler(StreamRequestHandler):
    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        assert isinstance(self.server, _Server)
        pid = os.fork()
        if pid == 0:
            self.server.socket.close()
            self.connection.close()
            _become(asked)
        self.wfile.write(f"{pid}\n".encode())
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
            self.wfile.write(f"{ended}\n".encode())


def _become(asked: dict[str, Any]) -> None:
    """Be the agent, to the end of the process."""
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.sched_setaffinity(0, asked["processors"])
    wanted = ((os.devnull, os.O_RDONLY), *((asked[name], _APPEND) for name in ("output", "errors")))
    for number, (path, flags) in enumerate(wanted):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.argv = ["backup-agent", *asked["arguments"]]
    status = 1
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as Python does at the end of a program
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def serve(address: str) -> None:
    """Fork the agent for everybody who connects."""
    partial = f"{address}.partial"
    with _Server(partial, _Handler) as server:
        os.rename(partial, address)  # it is there when it can be connected to
        server.serve_forever(poll_interval=5)


if __name__ == "__main__":
    serve(sys.argv[1])
