"""A share of the crash matrix: every fault is met, in every kind of work. `bin/test matrix` runs all cells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from matrix.bench import Bench, a_bench
from matrix.disks import Disk, can_mount
from matrix.faults import FAULTS, Fault
from matrix.run import assert_survived, share
from matrix.steps import STEPS, Step

CELLS = share()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Give a source and a job that was synced once; the cells share them."""
    with a_bench(tmp_path_factory.mktemp("matrix")) as found:
        yield found


def test_the_share_leaves_out_no_work_and_no_fault() -> None:
    """What is run here is a sample of everything."""
    assert {step.work for step in STEPS} == {step.work for step, _ in CELLS}
    assert {fault.name for fault in FAULTS} == {fault.name for _, fault in CELLS}


# Every cell is a part of a release.
@pytest.mark.release
@pytest.mark.parametrize(("step", "fault"), CELLS, ids=[f"{s.name}-{f.name}".replace(" ", "_") for s, f in CELLS])
def test_a_fault_at_a_step_loses_and_doubles_nothing(bench: Bench, step: Step, fault: Fault) -> None:
    """The agent is held at the step, the fault happens, the agent goes on, and the backup is exactly the source."""
    if fault.disks(step) and not can_mount():
        pytest.skip("disks of their own need root and loop devices")
    assert_survived(bench, step, fault)


def test_a_disk_that_loses_power_keeps_what_was_synced_and_not_the_rest(tmp_path: Path) -> None:
    """The image of a power cut is one: without this, the column would prove nothing."""
    if not can_mount():
        pytest.skip("disks of their own need root and loop devices")
    disk = Disk(tmp_path / "disk.img", tmp_path / "mounted")
    try:
        (disk.where / "synced").write_text("kept")
        disk.sync()
        (disk.where / "not synced").write_text("lost")
        disk.photograph(tmp_path / "photograph")
        disk.come_back(tmp_path / "photograph")
        assert ["synced"] == [path.name for path in disk.where.iterdir()]
        assert "kept" == (disk.where / "synced").read_text()
    finally:
        disk.remove()
