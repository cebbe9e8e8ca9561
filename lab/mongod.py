"""One mongod process."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from lab import ports, processes
from lab.errors import LabError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

Client = MongoClient[dict[str, Any]]


class Mongod:
    """A mongod on the loopback interface: its port and directory stay the same over restarts."""

    def __init__(self, binary: Path, directory: Path, arguments: Sequence[str], host: str = ports.LOOPBACK) -> None:
        self.directory = directory
        self.log = directory / "mongod.log"
        self._port, self._host = ports.reserve(), host
        self._binary, self._arguments = binary, arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.group: int | None = None
        """The group id that it runs with: `lab.partition` knows a member's packets by it. Then it also has a `socket`."""
        self.tls: dict[str, Any] = {}
        """The options of a client that it takes, where it takes nothing but TLS."""
        self.environment: dict[str, str] = {}
        """Variables for the process, from its next start on."""

    @property
    def port(self) -> int:
        return self._port.number

    @property
    def address(self) -> str:
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    @property
    def socket(self) -> Path:
        """Its Unix socket, where it runs with a group of its own."""
        return self.directory / f"mongodb-{self.port}.sock"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise LabError(f"expected mongod {self.address} to have been started; it was not; call start()")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _own_arguments(self) -> list[str]:
        where = ["--dbpath", str(self.directory / "data"), "--logpath", str(self.log), "--logappend"]
        sockets = ["--nounixsocket"] if self.group is None else ["--unixSocketPrefix", str(self.directory)]
        if ":" in self._host:
            sockets.append("--ipv6")
        return [*where, "--bind_ip", self._host, "--port", str(self.port), *sockets]

    def start(self) -> None:
        """Start it; `wait` says when it answers."""
        if not self.running:
            (self.directory / "data").mkdir(parents=True, exist_ok=True)
            argv = [str(self._binary), *self._own_arguments(), *self._arguments]
            self._process = processes.spawn(argv, self.directory / "mongod.out", self.environment, self.group)

    def wait(self, timeout_seconds: float = 180) -> None:
        """Wait until it answers; a mongod that ended instead is an error with the end of its log."""
        deadline = time.monotonic() + timeout_seconds
        with self.client(serverSelectionTimeoutMS=500) as client:
            while not self._answers(client):
                if not self.running:
                    raise LabError(f"mongod {self.address} ended at once; the end of {self.log}:\n{self.log_tail()}")
                if time.monotonic() > deadline:
                    raise LabError(f"mongod {self.address} did not answer in {timeout_seconds:.0f} s; see {self.log}")
                time.sleep(0.05)

    @staticmethod
    def _answers(client: Client) -> bool:
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    def log_tail(self, lines: int = 12) -> str:
        """Return the end of its log and of its output."""
        texts = [
            path.read_text(errors="replace") for path in (self.directory / "mongod.out", self.log) if path.exists()
        ]
        return "\n".join("\n".join(texts).splitlines()[-lines:])

    def stop(self) -> None:
        """Shut it down cleanly."""
        if self._process is not None:
            processes.stop(self._process)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        if self._process is not None:
            processes.kill(self._process)

    def pause(self) -> None:
        """Freeze it with SIGSTOP: its connections stay open and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def release(self) -> None:
        """Kill it and give its port back."""
        self.kill()
        self._port.release()

    def client(self, **options: Any) -> Client:
        """Return a client that talks to this mongod only."""
        return MongoClient(self.address, directConnection=True, **{**self.tls, **options})
