"""One cell of the matrix: bring the agent to a step, let the fault happen, let the agent go on, compare."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from harness import Agent, assert_equal, wait_until
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from backup_agent.config import load
from backup_agent.repository.restic import Restic
from backup_agent.state.records import Params
from backup_agent.state.store import Store
from matrix.bench import Bench
from matrix.disks import Disk, copy_tree, remove_tree
from matrix.steps import Step
from matrix.traffic import Traffic

Json = dict[str, Any]

HOLD_SECONDS = 180
SNAPSHOT = "cell"


def children(pid: int, name: str | None = None) -> list[int]:
    """Return the processes that a process has started and that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            before, _, after = path.read_text().rpartition(")")
            state, parent = after.split()[:2]
            if int(parent) == pid and state != "Z" and name in (None, before.partition("(")[2]):
                found.append(int(path.parent.name))
    return found


class Cell:
    """Everything about one cell while it runs."""

    def __init__(self, bench: Bench, step: Step, where: Path, disks: tuple[str, ...], traffic: Traffic) -> None:
        """`disks` are those of `job`, `repository`, `head`, `slices` that are to be disks of their own."""
        self.bench, self.step, self.where, self.traffic = bench, step, where, traffic
        self.agent: Agent = bench.agent(where)
        self.hold = where / "hold"
        self.hold.mkdir()
        self.operation: str | None = None
        self.notes: list[str] = []
        """What was seen on the way, for the one who reads the run."""

        self.disks: dict[str, Disk] = {}
        try:
            self._lay_out(disks)
        except BaseException:
            self.close()
            raise

    def _lay_out(self, disks: tuple[str, ...]) -> None:
        job = Path(self.agent.settings["directory"])
        generation = job / "generations" / "000001"
        places = {"job": job, "repository": self.where / "repo"}
        places |= {"head": generation / "head", "slices": generation / "slices"}
        for name in disks:
            self.disks[name] = Disk(self.where / f"{name}.img", places[name])
        if self.step.work != "initial_sync":
            copy_tree(self.bench.template / "job", places["job"])
            copy_tree(self.bench.template / "repo", places["repository"])
        for disk in self.disks.values():
            disk.sync()

    @property
    def restic_fails(self) -> Path:
        """The file that makes restic fail while it is there."""
        return self.where / "restic.fails"

    @property
    def store(self) -> contextlib.closing[Store]:
        """The job's state, as the command line opens it."""
        return contextlib.closing(Store(load(self.agent.file).state_file))

    # The step ---------------------------------------------------------------------------------------------------------

    def reach(self) -> None:
        """Start the agent, and its operation, and wait until it is held at the step."""
        if not self.step.settled:
            self._arm()
            self._begin_operation()
        self.agent.start(**{self.step.point.replace(".", "_", 1): f"hold:{self.hold}"})
        if self.step.settled:
            wait_until("the job tails", self._tails, HOLD_SECONDS)
            self._arm()
            self._begin_operation()
        try:
            wait_until(f"{self.step.point} is reached", (self.hold / f"{self.step.point}.held").exists, HOLD_SECONDS)
        except AssertionError:
            raise AssertionError(f"{self.step.point} is not reached\n{self.agent.log[-3000:]}") from None
        if self.step.work == "initial_sync":
            self.operation = self.agent.operation()["id"]

    def _tails(self) -> bool:
        status = self.agent.status()
        return status["agent"]["pid"] == self.agent.pid and status["applied"] is not None and bool(self.mongods())

    def _arm(self) -> None:
        (self.hold / f"{self.step.point}.hold").touch()

    def release(self) -> None:
        """Let the agent go on, here and the next times."""
        (self.hold / f"{self.step.point}.hold").unlink(missing_ok=True)

    def _begin_operation(self) -> None:
        if self.step.work not in ("initial_sync", "tail"):
            self.begin(self.step.work)

    def begin(self, kind: str) -> None:
        """Ask for an operation, as the command line does."""
        params: dict[str, Params | None] = {
            "snapshot": Params(name=SNAPSHOT, prove=True),
            "validation": Params(level="digest"),
            "resync": None,
        }
        with self.store as store:
            self.operation = store.start_operation(kind, "matrix", "a cell", params[kind])[0].id

    # What faults do ---------------------------------------------------------------------------------------------------

    def mongods(self) -> list[int]:
        """Return the agent's mongods: the head, and what else it has started."""
        return children(self.agent.pid, "mongod")

    def kill_heads(self) -> None:
        """kill -9 of every mongod of the agent; there must be one. The agent may start another at once."""
        found = self.mongods()
        assert found, "expected a head that runs at this step"
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        wait_until("the head is dead", lambda: not set(found).intersection(self.mongods()), 20)

    def kill_agent(self) -> None:
        """kill -9 of the agent; what it has started must die with it."""
        left = children(self.agent.pid)
        self.agent.kill()
        wait_until("what the agent had started dies with it", lambda: not any(map(_exists, left)), 20)

    def kill_everything(self) -> None:
        """End the agent and what it has started, all at once, as they are: nobody tidies up."""
        pids = [self.agent.pid, *children(self.agent.pid)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.agent.wait_dead()
        wait_until("all are dead", lambda: not any(map(_exists, pids)), 20)

    def kill_restic(self) -> None:
        """kill -9 of the restic that runs, if one does."""
        for pid in children(self.agent.pid, "restic"):
            os.kill(pid, signal.SIGKILL)

    def checkpoint_heads(self) -> None:
        """Let the heads write to their disk now, and not within a minute; some do not survive that on a full one."""
        for socket in self.bench.sockets.glob("g*.sock"):
            uri = f"mongodb://{quote_plus(str(socket))}/?directConnection=true"
            with (
                MongoClient[Json](uri, serverSelectionTimeoutMS=2000, socketTimeoutMS=4000) as client,
                contextlib.suppress(PyMongoError),
            ):
                client.admin.command("fsync")

    def freeze(self) -> None:
        """Stop the agent and all that it has started in the middle of what they do."""
        for pid in [self.agent.pid, *children(self.agent.pid)]:
            os.kill(pid, signal.SIGSTOP)

    def wait_for_writes(self, writes: int) -> None:
        """Wait until the source has been written to so often."""
        self.traffic.wait_for(writes)

    def supervise(self) -> None:
        """Start the agent again if it has ended, as systemd does."""
        if not self.agent.running:
            self.agent.start()

    # The end ----------------------------------------------------------------------------------------------------------

    def alerts(self) -> list[tuple[str, str]]:
        """Return the open alerts."""
        return [(alert["kind"], alert["cause"]) for alert in self.agent.status()["alerts"]]

    def snapshots(self) -> list[str]:
        """Return the names of the snapshots that are listed."""
        with self.store as store:
            return [s.name for s in store.snapshots()]

    def ever_alerted(self) -> set[str]:
        """Return the kinds of every alert that was ever raised on this job."""
        with self.store as store:
            return {str(row["kind"]) for row in store._rows("SELECT DISTINCT kind FROM alerts")}

    def wait_done(self) -> None:
        """Wait until the operation is done, if there is one, and the job tails."""
        if self.operation is not None:
            self.agent.wait_operation(identifier=self.operation)
        self.agent.wait_state("tailing")

    def compare(self, alerts: frozenset[str]) -> None:
        """Require a head that is exactly its source, good snapshots, no alert that stays, and never one but of these kinds."""
        self.traffic.wait_for(10)
        self.traffic.stop()
        assert_equal(self.agent, self.bench.source)
        wait_until(f"no alert is left: {self.alerts()}", lambda: not self.alerts(), 30)
        assert self.ever_alerted() <= alerts, f"expected no alert but {sorted(alerts)}: {self.ever_alerted()}"
        if self.step.work in ("snapshot", "resync"):
            self._compare_snapshots()

    def _compare_snapshots(self) -> None:
        config = load(self.agent.file)
        stored = [s.id for s in Restic(config.repository, config.directory / "restic-cache").snapshots()]
        with self.store as store:
            known = store.snapshots()
        assert len(known) == 2, str(known)
        assert sorted(s.restic_id[:8] for s in known) == sorted(identifier[:8] for identifier in stored)
        assert all(s.state == "good" and s.proven_at for s in known), str(known)

    def close(self) -> None:
        """Stop everything and delete the files."""
        self.release()
        if self.agent.running:
            self.kill_everything()
        for disk in reversed(self.disks.values()):
            disk.remove()
        remove_tree(self.where)


def _exists(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def seconds_of(began: float) -> float:
    """Return how long ago that was."""
    return round(time.monotonic() - began, 1)
