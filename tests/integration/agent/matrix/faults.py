"""The columns of the matrix: what happens to the agent while it is held at a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness import wait_until

from matrix.cell import SNAPSHOT, Cell
from matrix.steps import Step

CAUSES = {"job": "directory"}
"""What the alert calls a disk, where that is not the matrix's own word."""


@dataclass(frozen=True)
class Fault:
    """One fault: what is done from the hold to the end of the fault, and what it needs and may lead to."""

    name: str
    strike: Callable[[Cell], None]
    disks: Callable[[Step], tuple[str, ...]] = lambda _step: ()
    """Which of the agent's directories must be disks of their own."""

    alerts: frozenset[str] = frozenset()
    """The kinds of alerts that are right while it lasts. Any other is a wrong verdict."""


def kill_agent(cell: Cell) -> None:
    """The agent dies, and its head with it."""
    cell.kill_agent()


def kill_head(cell: Cell) -> None:
    """The head dies, the agent goes on."""
    cell.kill_heads()
    cell.release()


def kill_both(cell: Cell) -> None:
    """The head dies, then the agent."""
    cell.kill_heads()
    cell.kill_agent()


def power_cut(cell: Cell) -> None:
    """Everything stops at once, and the disks have what was sent to them until then."""
    cell.freeze()
    photographs = {name: cell.where / f"{name}.photograph" for name in cell.disks}
    for name, disk in cell.disks.items():
        disk.photograph(photographs[name])
    cell.kill_everything()
    for name, disk in cell.disks.items():
        disk.come_back(photographs[name])


def disk_full(cell: Cell) -> None:
    """A disk has no block left. The agent must say which, stay alive, and go on when there is room again."""
    ((name, disk),) = cell.disks.items()
    alert = ("disk_full", CAUSES.get(name, name))
    disk.fill()
    cell.release()
    wait_until(f"the daemon says {alert}", lambda: '"event": "disk_full"' in cell.agent.log)
    assert alert in cell.alerts()
    heads = cell.mongods()
    if name != "repository":
        cell.checkpoint_heads()
    cell.wait_for_writes(60)
    if not set(heads) <= set(cell.mongods()):
        cell.notes.append("a mongod ended on the full disk")
    assert cell.agent.running, "the agent ended on a full disk"
    assert alert in cell.alerts()
    disk.give_room()


def restic_fails(cell: Cell) -> None:
    """The restic that runs is killed, and every other one ends with an error until the end of the fault."""
    cell.restic_fails.touch()
    cell.kill_restic()
    cell.release()
    if cell.step.restic_follows:
        assert cell.operation is not None
        failed = cell.agent.wait_operation("failed", identifier=cell.operation)
        assert "the backend went away" in failed["error"]["message"]
        assert ("snapshot_failed", failed["step"]) in cell.alerts()
        assert failed["step"] == "prove" or SNAPSHOT not in cell.snapshots(), "a snapshot that was not made is listed"
        cell.restic_fails.unlink()
        cell.begin("snapshot")
    else:
        cell.wait_done()
        cell.restic_fails.unlink()


def _everything(_step: Step) -> tuple[str, ...]:
    return ("job", "repository")


def _the_one_of(step: Step) -> tuple[str, ...]:
    return (step.disk,)


FAULTS = (
    Fault("kill -9 agent", kill_agent),
    Fault("kill -9 head", kill_head),
    Fault("kill -9 both", kill_both),
    Fault("power cut", power_cut, _everything),
    Fault("disk full", disk_full, _the_one_of, frozenset({"disk_full"})),
    Fault("restic fails", restic_fails, alerts=frozenset({"snapshot_failed"})),
)
