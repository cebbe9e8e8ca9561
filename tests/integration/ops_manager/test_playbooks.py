"""Checks and resyncs by playbook: all methods, a replica set and a sharded cluster, beside each other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.ops_manager.desk import Desk
from tests.integration.ops_manager.office import Office, press_when_asked, said
from tests.integration.site import Json, flat
from tests.ops_manager import Emulator, Timing

JOBS = {
    "pressed": ("hand_off", False),
    "restarted": ("restart", False),
    "ended": ("terminate", False),
    "shop": ("restart", True),
    "bazaar": ("hand_off", True),
}
"""The jobs of one run by their methods, and whether each is a sharded cluster."""

SLOW = Timing(sync=0.5, snapshot=0.5, terminate=0.5)


class Run:
    """One run of the playbook resync over all jobs, and what it left."""

    def __init__(self, directory: Path) -> None:
        self.office = Office(directory, backup_confirm_snapshot_loss=True)
        self.desks: dict[str, Desk] = {}
        with contextlib.ExitStack() as stack:
            for name, (method, sharded) in JOBS.items():
                self._add(name, method, sharded, stack.enter_context(Emulator(SLOW)))
            persons = stack.enter_context(ThreadPoolExecutor())
            pressing = [
                persons.submit(
                    press_when_asked, self.desks[name].om, *self.desks[name].om.parts(self.desks[name].cluster)
                )
                for name, (method, _sharded) in JOBS.items()
                if method == "hand_off"
            ]
            self.printed = self.office.run("resync", "-e", "backup_confirm=yes", "-vvv", "--diff")
            for future in pressing:
                future.result()
            self.left = {name: desk.nothing_left() for name, desk in self.desks.items()}
            self.expiries = {name: (desk.before, desk.expiry()) for name, desk in self.desks.items()}

    def _add(self, name: str, method: str, sharded: bool, om: Emulator) -> None:
        cluster = om.add_sharded_cluster(name) if sharded else om.add_replica_set(name)
        om.add_snapshot(cluster)
        om.raise_alert("RESYNC_REQUIRED", cluster)
        self.office.add(name, om, method)
        self.desks[name] = Desk(om, cluster, method)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what came of resyncing all of them in one run."""
    return Run(tmp_path_factory.mktemp("office"))


@pytest.mark.parametrize("job", JOBS)
def test_a_resync_ends_and_leaves_nothing(run: Run, job: str) -> None:
    """Each method ends with a backup that runs, no window of ours, and the snapshot kept meanwhile back at its own end."""
    lines = said(run.printed, job)
    assert {} == run.left[job]
    assert any(line.startswith("prove: done") for line in lines), lines
    before, after = run.expiries[job]
    assert before == after or "terminate" == JOBS[job][0]


@pytest.mark.parametrize("job", ["shop", "bazaar"])
def test_a_sharded_cluster_is_one_job(run: Run, job: str) -> None:
    """A sync counts only once every shard and the config servers have been read."""
    assert any("sync: done (3 of 3 replica sets" in line for line in said(run.printed, job))


def test_a_second_factor_is_waited_for(run: Run) -> None:
    """The page asked for a code, and the resync went on waiting until it had been entered."""
    assert run.desks["pressed"].om.switches.two_factor
    assert any("pause: done (nothing is stopped" in line for line in said(run.printed, "pressed"))


def test_no_key_is_printed_by_a_resync(run: Run) -> None:
    """Neither -vvv nor --diff shows a private key or what is sent to log in."""
    _assert_silent(run.printed, [desk.om for desk in run.desks.values()])


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[tuple[Office, Emulator, list[str]]]:
    """Yield an office with a replica set and a sharded cluster of one project, both in order."""
    with Emulator() as om:
        clusters = [om.add_replica_set("orders"), om.add_sharded_cluster("shop")]
        office = Office(tmp_path)
        for name, cluster in zip(("orders", "shop"), clusters, strict=True):
            om.add_snapshot(cluster)
            office.add(name, om)
        yield office, om, clusters


def test_a_check_says_what_the_product_shows(orders: tuple[Office, Emulator, list[str]]) -> None:
    """Two backups in order are ok; one that has fallen out of sync is critical and says so; no key is in print or report."""
    office, om, clusters = orders
    printed = office.run("check", "-vvv", "--diff")
    assert ["ok", "ok"] == [job["verdict"] for job in _checked(office)]
    om.raise_alert("RESYNC_REQUIRED", clusters[0])
    printed += office.run("check", "-vvv", "--diff", rc=2)
    records = _checked(office)
    assert [("orders", "critical"), ("shop", "ok")] == [(job["job"], job["verdict"]) for job in records]
    assert any("Resync Required" in reason for reason in records[0]["reasons"])
    assert "critical – alert Resync Required since" in flat(printed)
    written = "".join(path.read_text() for path in (office.directory / "reports").rglob("*") if path.is_file())
    assert "Resync Required" in written
    _assert_silent(printed + written, [om])
    assert not [asked for asked in om.requests if asked.method != "GET"]


def _checked(office: Office) -> list[Json]:
    newest = max((office.directory / "reports").rglob("*.json"), key=lambda path: path.stat().st_mtime)
    found: list[Json] = json.loads(newest.read_text())["jobs"]
    return found


def _assert_silent(text: str, oms: list[Emulator]) -> None:
    assert text
    for om in oms:
        assert om.private_key not in text
    assert "Authorization" not in text
    assert "Digest username" not in text
