"""A maintenance that ends in time, and one that overruns: the cursor is lost, and the resync survives cuts of the network."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lab.errors import LabError
from lab.machines import (
    AGENT,
    DATABASES,
    agent,
    client,
    cut_off,
    playbook,
    playbook_command,
    primary,
    roll_over,
    run,
    wait,
)

MEGABYTES = 60
CUT_SECONDS = 20

Event = dict[str, object]


def test_maintenance_that_ends_in_time() -> None:
    """Begin asks the gate, records who and until when, and stops; end starts, waits and removes the record."""
    begun = playbook(
        "maintenance_begin", "-e", "maintenance_hosts=agent1 maintenance_minutes=10 maintenance_reason='new kernel'"
    )
    try:
        assert "has to run again by" in begun
        for job in ("orders", "invoices"):
            status = agent(job, "status")
            assert not status["agent"]["alive"]
            assert status["maintenance"]["reason"].startswith("new kernel")
            assert status["verdict"] == "warning"
            assert run("agent1", "systemctl", "is-active", f"backup-agent@{job}", check=False).strip() == "inactive"
        run("agent1", "systemctl", "start", "backup-agent-watch.service")
        assert "down for maintenance" in run(
            "agent1", "journalctl", "-u", "backup-agent-watch", "-o", "cat", "-n", "20"
        )
    finally:
        playbook("maintenance_end", "-e", "maintenance_hosts=agent1")

    for job in ("orders", "invoices"):
        status = agent(job, "status")
        assert (status["state"], status["maintenance"], status["leases"]) == ("tailing", None, [])


def _started() -> dict[str, int]:
    """Return when the member of each machine was started, in microseconds of the clock that all of them share."""
    show = ("systemctl", "show", "--property", "ExecMainStartTimestampMonotonic", "--value", "mongod@27017-orders")
    return {machine: int(run(machine, *show)) for machine in DATABASES}


def test_database_hosts_one_after_another() -> None:
    """Secondaries first, the primary stepped down and last; the operator's own task runs on each, and the backup keeps up."""
    before, first = _started(), primary("orders")

    playbook(
        "rolling_maintenance",
        "-e",
        json.dumps({"rolling_tasks": "molecule/default/tasks/restart_mongod.yml", "maintenance_margin_minutes": 0}),
    )

    after = _started()
    assert all(after[machine] > before[machine] for machine in DATABASES)
    assert max(after, key=lambda machine: after[machine]) == first
    log = run(first, "journalctl", "-u", "mongod@27017-orders", "--no-pager", "-o", "cat")
    assert "replSetStepDown" in log
    assert agent("orders", "status")["state"] == "tailing"


def _load() -> None:
    with client("orders", w="majority") as found:
        found.drop_database("shop")
        text = "x" * 1000
        for start in range(0, MEGABYTES * 1000, 5000):
            found.shop.orders.insert_many([{"_id": start + n, "text": text} for n in range(5000)], ordered=False)
        found.shop.orders.create_index("text")
    wait("orders", lambda s: s["verdict"] == "ok" and s["backup_lag_seconds"] == 0 and s["apply_lag_seconds"] == 0)


def test_maintenance_that_was_overrun_is_repaired() -> None:
    """Begun by force, noticed by the watch, ended with Resync Required, and read again while the network is cut twice."""
    _load()
    arguments = "maintenance_hosts=orders maintenance_minutes=30 maintenance_reason=disk"
    refused = playbook("maintenance_begin", "-e", arguments, rc=2)
    assert "orders: unsafe" in refused
    assert agent("orders", "status")["agent"]["alive"]
    playbook("maintenance_begin", "-e", f"{arguments} maintenance_force=true")
    captured = agent("orders", "status")["captured"]["time"]
    roll_over("orders", captured + 1)
    watch = subprocess.run(
        ["podman", "exec", "agent1", AGENT, "watch", "--directory", "/etc/backup-agent"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert watch.returncode == 1
    assert "Resync Required" in watch.stdout

    ended = playbook("maintenance_end", "-e", "maintenance_hosts=agent1", rc=2)

    assert "Resync Required" in ended
    assert "mongodb_ops.backup.resync --limit orders" in ended
    status = agent("orders", "status")
    assert (status["state"], status["maintenance"], status["leases"]) == ("resync_required", None, [])
    assert agent("invoices", "status")["state"] == "tailing"

    printed = _resync_under_cuts()

    assert "orders" in printed
    status = agent("orders", "status")
    assert (status["state"], status["verdict"]) == ("tailing", "ok")
    operation = agent("orders", "operation")["operation"]
    assert operation["kind"] == "resync"
    assert operation["result"]["validation"]["equal"]
    assert operation["result"]["proof"]["equal"]
    assert primary("orders") not in {source.partition(":")[0] for source in operation["result"]["sources"]}


def _resync_under_cuts() -> str:
    """Resync, with the agent's machine and then the member that it reads cut off for a while each, both during the copy."""
    with _events("orders") as events:
        command = playbook_command("resync", "--limit", "orders", "-e", "backup_confirm=yes")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            _until(events, lambda event: (event.get("step"), event.get("state")) == ("sync", "running"))
            with cut_off("agent1"):
                time.sleep(CUT_SECONDS)
            begins = _until(events, lambda event: event["event"] == "initial sync begins")
            with cut_off(str(begins["member"]).partition(":")[0]):
                time.sleep(CUT_SECONDS)
            printed, _ = process.communicate(timeout=600)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise LabError(printed[-6000:])
    return printed


@contextmanager
def _events(job: str) -> Iterator[list[Event]]:
    """Follow the journal of an agent from now on."""
    command = [
        "podman",
        "exec",
        "agent1",
        "journalctl",
        "--follow",
        "--lines=0",
        "--output=cat",
        "-u",
        f"backup-agent@{job}",
    ]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    events: list[Event] = []

    def read() -> None:
        assert follower.stdout
        for line in follower.stdout:
            events.extend([json.loads(line)] if line.startswith("{") else [])

    threading.Thread(target=read, daemon=True).start()
    try:
        yield events
    finally:
        follower.kill()
        follower.wait()


def _until(events: list[Event], wanted: Callable[[Event], bool], seconds: float = 120) -> Event:
    deadline = time.monotonic() + seconds
    while True:
        for event in list(events):
            if wanted(event):
                return event
        if time.monotonic() > deadline:
            raise LabError(f"expected another event within {seconds} s, found {events[-5:]}")
        time.sleep(0.01)
