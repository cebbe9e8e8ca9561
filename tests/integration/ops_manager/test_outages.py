"""The API dies under a playbook that resyncs: what is printed then, and that the printed commands do what they say."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.ops_manager.deaths import (
    HOLD,
    NOTE,
    RELEASE,
    START,
    STOP,
    TERMINATE,
    WINDOW,
    WRITES,
    Write,
    die_at,
)
from tests.integration.ops_manager.desk import Desk, press_button, until
from tests.integration.ops_manager.office import Office, waits_for_the_button
from tests.integration.site import flat
from tests.ops_manager import Emulator, Timing
from tests.ops_manager.faults import When

DEATHS: dict[str, tuple[str, Write, When]] = {
    "held": ("hand_off", HOLD, "before"),
    "given": ("hand_off", RELEASE, "after"),
    "begun": ("restart", WINDOW, "after"),
    "stopping": ("restart", STOP, "after"),
    "starting": ("restart", START, "before"),
    "noted": ("terminate", NOTE, "before"),
    "ending": ("terminate", TERMINATE, "after"),
    "anew": ("terminate", START, "after"),
}
"""The jobs of one run: method, the request at which its API dies, and whether that has had its effect by then."""

CANCELED = ("held", "starting", "ending")
"""Those that are given up afterwards; the others are gone on with."""


class Outage:
    """One run in which every job loses its API, and the runs after it."""

    def __init__(self, directory: Path, stack: contextlib.ExitStack) -> None:
        self.office = Office(directory, backup_confirm_snapshot_loss=True)
        self.desks: dict[str, Desk] = {}
        for name, (method, write, when) in DEATHS.items():
            om = stack.enter_context(Emulator(Timing(sync=0.5)))
            cluster = om.add_replica_set(name)
            om.add_snapshot(cluster)
            om.raise_alert("RESYNC_REQUIRED", cluster)
            self.office.add(name, om, method)
            self.desks[name] = Desk(om, cluster, method)
            die_at(om, method, WRITES[method].index(write), when)
        self.printed = self._pressed("resync", "-e", "backup_confirm=yes", press=["given"])
        for desk in self.desks.values():
            desk.om.revive()

    def _pressed(self, playbook: str, *arguments: str, press: list[str]) -> str:
        desks = [self.desks[name] for name in press]
        with ThreadPoolExecutor() as persons:
            pressing = [persons.submit(_press, desk) for desk in desks]
            printed = self.office.run(playbook, *arguments, rc=2)
            for future in pressing:
                future.result()
        return printed

    def next_of(self, job: str) -> str:
        """Return what the summary says is to be done next for a job."""
        return next(line for line in _whole(self.printed) if line.startswith(f"- {job} – next "))


def _press(desk: Desk) -> None:
    until(lambda: waits_for_the_button(desk.om), "a resync waits for the button")
    press_button(desk.om, desk.om.parts(desk.cluster)[0])


def _whole(printed: str) -> list[str]:
    """Return the items of lists, each in one line."""
    found: list[str] = []
    for line in printed.splitlines():
        text = line.strip()
        if text.startswith(("- ", "'- ")) or not found or not line.startswith("      "):
            found.append(text)
        else:
            found[-1] += f" {text}"
    return found


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """Yield what came of it, with all APIs back."""
    with contextlib.ExitStack() as stack:
        yield Outage(tmp_path_factory.mktemp("office"), stack)


@pytest.mark.parametrize("job", DEATHS)
def test_what_is_left_is_said_with_both_ways_out(outage: Outage, job: str) -> None:
    """The window is named, and so are the command that goes on and the one that cancels."""
    line = outage.next_of(job)
    assert f"ansible-playbook mongodb_ops.backup.resync --limit {job} goes on with it" in line
    assert re.search(rf"mongodb_ops.backup.cancel_resync --limit {job} -e backup_operation=resync-\S+ puts", line)
    assert f"left as it is – {'a ' if 'begun' == job else ''}maintenance window" in flat(outage.printed)
    if job in ("stopping", "starting"):
        assert "may be stopped: until it is started" in flat(outage.printed)


def test_the_printed_commands_do_what_they_say(outage: Outage) -> None:
    """Canceling puts everything back, going on ends the resync, and in neither case anything of ours is left."""
    for job in CANCELED:
        desk = outage.desks[job]
        found = re.search(r"ansible-playbook mongodb_ops.backup.(cancel_resync .*?) puts", outage.next_of(job))
        assert found is not None
        printed = outage.office.run(*shlex.split(found[1]))
        assert f"{job} – resync-" in flat(printed)
        assert "is canceled" in flat(printed)
        until(lambda desk=desk: not desk.nothing_left(), f"{job} is as before")
        assert desk.before == desk.expiry() or job == "ending"
    others = [job for job in DEATHS if job not in CANCELED]
    printed = outage.office.run("resync", "--limit", ",".join(others), "-e", "backup_confirm=yes")
    for job in others:
        desk = outage.desks[job]
        assert ({}, False) == (desk.nothing_left(), desk.om.syncing(desk.cluster))
        assert desk.before == desk.expiry() or "terminate" == DEATHS[job][0]
    assert "is being resynced – operation resync-" in flat(printed)
