"""Faults of the source, one after the other on one set with one agent, against the table in docs/source-faults.md.

Every test brings one fault about, requires what the row says while it lasts, mends it, and ends in the exact comparison.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp
from fault_table import Expected, rows
from harness import Agent, an_agent, assert_equal, wait_until
from pymongo import WriteConcern

from lab import ReplicaSet, clock, faults, partition, roll_over

Json = dict[str, Any]
ROWS = rows()
SECONDS = 180
"""How long a verdict is waited for; what is asked of the agent itself is far less (3 s for an answer, 2 s to connect)."""


def row(fault: str) -> Expected:
    """Return the row of a fault that is brought about now."""
    return replace(ROWS[fault], began=time.monotonic())


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give three equal members, whose replication can be stopped and which can be cut off where that is possible."""
    where = tmp_path_factory.mktemp("rs")
    separable = partition.missing() is None
    arguments = faults.TEST_COMMANDS
    with ReplicaSet("rs0", 3, oplog_mb=16, directory=where, mongod_args=arguments, separable=separable) as replica_set:
        write(replica_set)
        yield replica_set


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, faulty: ReplicaSet) -> Iterator[Agent]:
    """Give an agent that is in sync with the set."""
    source = {
        "uri": faulty.bare_uri,
        "replica_set": faulty.name,
        "connect_timeout_seconds": 2,
        "answer_timeout_seconds": 3,
    }
    with an_agent(tmp_path_factory.mktemp("agent"), faulty, source=source, lag_warning_seconds=5) as agent:
        agent.start()
        agent.wait_operation()
        yield agent


def wait_ok(agent: Agent, seconds: float = 90) -> None:
    """Wait until the verdict is ok, and show what it is instead when that does not happen."""
    try:
        wait_until("the verdict is ok", lambda: agent.status()["verdict"] == "ok", seconds)
    except AssertionError:
        raise AssertionError(f"expected ok, found {agent.status()}\n{agent.log[-3000:]}") from None


@pytest.fixture
def agent(shared: Agent, faulty: ReplicaSet) -> Iterator[Agent]:
    """Give the agent with a verdict of ok, whatever the test before did."""
    faults.wait_connected(faulty)
    wait_ok(shared)
    return shared


def write(replica_set: ReplicaSet) -> Timestamp:
    """Insert a document that a majority has and return its optime's timestamp."""
    with replica_set.client(w="majority", connectTimeoutMS=2000) as client, client.start_session() as session:
        client["tests"]["faults"].insert_one({"at": time.time()}, session=session)
        assert session.operation_time is not None
        return session.operation_time


def at(value: Json | None) -> Timestamp:
    """Return a timestamp of the status."""
    return Timestamp(value["time"], value["increment"]) if value else Timestamp(0, 0)


def number_of(replica_set: ReplicaSet, address: str) -> int:
    """Return the number of a member."""
    return replica_set.addresses.index(address)


def followed(agent: Agent, replica_set: ReplicaSet) -> int:
    """Return the number of the member that the agent follows."""
    return number_of(replica_set, agent.status()["source"])


def assert_status(
    agent: Agent, expected: Expected, meets: Callable[[Json], Any] = bool, *, by_command: bool = False
) -> Json:
    """Wait until the status is what the row says of it and meets a condition, then require the alert of the row."""

    def seen() -> Json | None:
        status = agent.call("status")[1] if by_command else agent.status()
        said = expected.says in "; ".join(status["reasons"])
        return status if status["verdict"] == expected.verdict and said and meets(status) else None

    try:
        status: Json = wait_until(f"{expected.verdict} {expected.says!r}", seen, SECONDS)
    except AssertionError:
        raise AssertionError(f"expected {expected}, found {agent.status()}\n{agent.log[-3000:]}") from None
    took = time.monotonic() - expected.began
    print(f"\n{expected.fault:38} {status['verdict']:8} after {took:4.1f} s  {'; '.join(status['reasons'])[:300]}")
    alerts = [alert["cause"] for alert in status["alerts"]]
    assert ([] if expected.alert == "none" else [expected.alert.strip("`")]) == alerts
    return status


def goes_on_elsewhere(agent: Agent, replica_set: ReplicaSet, expected: Expected, left: int) -> Json:
    """Require that what is written while the fault lasts is captured from another member than the one that was left."""
    written = write(replica_set)
    address = replica_set.addresses[left]
    return assert_status(agent, expected, lambda s: at(s["captured"]) >= written and s["source"] != address)


def assert_well(agent: Agent, replica_set: ReplicaSet, expected: Expected) -> None:
    """Require that the job goes on by itself and holds exactly what the source holds."""
    assert expected.afterwards == "goes on"
    replica_set.wait_healthy()
    assert_equal(agent, replica_set)
    wait_ok(agent, SECONDS)
    assert [] == agent.status()["alerts"]


def test_a_killed_member_is_left(agent: Agent, faulty: ReplicaSet) -> None:
    """The member that is followed is killed: another one is followed, and nothing is missed."""
    expected, victim = row("member killed"), followed(agent, faulty)
    with faults.killed(faulty, victim):
        goes_on_elsewhere(agent, faulty, expected, victim)
    assert_well(agent, faulty, expected)


def test_a_hung_member_is_left(agent: Agent, faulty: ReplicaSet) -> None:
    """The member that is followed is frozen, its connections stay open: it is left as soon as its silence is noticed."""
    expected, victim = row("member hung"), followed(agent, faulty)
    with faults.hung(faulty, victim):
        goes_on_elsewhere(agent, faulty, expected, victim)
    assert_well(agent, faulty, expected)


def test_a_member_whose_packets_are_dropped_is_left(agent: Agent, faulty: ReplicaSet) -> None:
    """The member that is followed is cut off from everybody without a connection being closed: it is left all the same."""
    expected, victim = row("member partitioned"), followed(agent, faulty)
    if (lacking := partition.missing()) is not None:
        pytest.skip(lacking)
    with partition.Partition(faulty, victim) as cut:
        goes_on_elsewhere(agent, faulty, expected, victim)
        assert cut.dropped > 0
    assert_well(agent, faulty, expected)


def test_a_member_that_becomes_primary_is_left(agent: Agent, faulty: ReplicaSet) -> None:
    """The member that is followed becomes the primary, the old one steps down: a secondary is followed."""
    expected, victim = row("followed member stepped up"), followed(agent, faulty)
    faults.step_up(faulty, victim)
    goes_on_elsewhere(agent, faulty, expected, victim)
    assert_well(agent, faulty, expected)


def test_a_removed_member_is_left(agent: Agent, faulty: ReplicaSet) -> None:
    """The member that is followed is taken out of the configuration, its process runs on: another one is followed."""
    expected, victim = row("member removed"), followed(agent, faulty)
    with faults.removed(faulty, victim):
        goes_on_elsewhere(agent, faulty, expected, victim)
    assert_well(agent, faulty, expected)


def test_an_oplog_is_resized(agent: Agent, faulty: ReplicaSet) -> None:
    """The oplog is made larger and smaller and compacted under the cursor: nothing is missed, and no verdict falls."""
    expected, victim = row("oplog resized"), followed(agent, faulty)
    faults.resize_oplog(faulty, victim, 2000)
    faults.resize_oplog(faulty, victim, 990)
    with faulty.member_client(victim) as client:
        client.local.command("compact", "oplog.rs")
    written = write(faulty)
    assert_status(agent, expected, lambda s: at(s["captured"]) >= written)
    assert_well(agent, faulty, expected)
    faults.replace_by_empty(faulty, victim)  # the server never makes an oplog as small again as the other tests need it
    faulty.wait_healthy()


def test_an_empty_member_takes_the_place_of_one(agent: Agent, faulty: ReplicaSet) -> None:
    """The member that is followed loses its data and makes an initial sync: another one is followed, and later itself again."""
    expected, victim = row("member replaced by an empty one"), followed(agent, faulty)
    faults.replace_by_empty(faulty, victim)
    goes_on_elsewhere(agent, faulty, expected, victim)
    faulty.wait_healthy()
    other = followed(agent, faulty)
    with faults.killed(faulty, other):
        goes_on_elsewhere(agent, faulty, expected, other)
    assert_well(agent, faulty, expected)


def test_a_member_behind_the_anchor_is_waited_for(agent: Agent, faulty: ReplicaSet) -> None:
    """Only a secondary without the anchor is left: the job says that it waits, and goes on when the member has it."""
    expected, victim = row("only a member behind the anchor left"), followed(agent, faulty)
    behind = next(number for number in faulty.secondaries() if number != victim)
    with faults.replication_stopped(faulty, behind):
        written = write(faulty)
        wait_until("it is captured", lambda: at(agent.status()["captured"]) >= written)
        faulty.kill_member(victim)
        try:
            assert_status(agent, expected, lambda s: s["waiting"] is not None)
        except BaseException:
            faulty.restart_member(victim)
            raise
    written = write(faulty)
    wait_until("the member is followed", lambda: at(agent.status()["captured"]) >= written)
    faulty.restart_member(victim)
    assert_well(agent, faulty, expected)


def test_what_is_rolled_back_was_never_captured(agent: Agent, faulty: ReplicaSet) -> None:
    """A primary is cut off, takes a write, and rolls it back when it returns: the head never had it, and then follows it."""
    expected, old = row("rollback next to the anchor"), faulty.primary()
    if (lacking := partition.missing()) is not None:
        pytest.skip(lacking)
    cut = partition.Partition(faulty, old)
    with cut.client() as inside:
        inside.admin.command("ping")
        with cut:
            inside["tests"].get_collection("faults", write_concern=WriteConcern(1)).insert_one({"_id": "lost"})
            new = faulty.wait_primary(other_than=old)
            goes_on_elsewhere(agent, faulty, expected, old)
        faults.wait_connected(faulty)
    if faulty.primary() == old:  # elected again, after it had rolled back
        faults.step_up(faulty, new)
    other = next(number for number in faulty.secondaries() if number != old)
    with faults.killed(faulty, other):
        status = goes_on_elsewhere(agent, faulty, expected, other)
        assert faulty.addresses[old] == status["source"]
        with faulty.member_client(old) as client:
            assert 0 == client["tests"]["faults"].count_documents({"_id": "lost"})
        assert list((faulty.member(old).directory / "data" / "rollback").rglob("*.bson"))
    assert_well(agent, faulty, expected)
    with agent.head(1) as head:
        assert 0 == head["tests"]["faults"].count_documents({"_id": "lost"})


def test_a_stalled_majority_shows(agent: Agent, faulty: ReplicaSet) -> None:
    """No secondary replicates any more: the majority's optime stands, and the lag behind the primary's last write is told."""
    expected = row("majority stalled")
    with faults.replication_stopped(faulty, *faulty.secondaries()), faulty.client(w=1) as client:

        def is_behind(status: Json) -> bool:
            client["tests"]["faults"].insert_one({"at": time.time()})
            return bool(status["backup_lag_seconds"] < 5 <= status["backup_lag_primary_seconds"])

        client["tests"]["faults"].insert_one({"at": time.time()})
        wait_until("the stall is seen", lambda: is_behind(agent.status()), SECONDS)
        assert_status(agent, expected)
    assert_well(agent, faulty, expected)


def test_a_set_without_a_primary_is_unknown(agent: Agent, faulty: ReplicaSet) -> None:
    """Two of three members are gone, the followed one answers: what it answers is not taken for the truth."""
    expected, left = row("no primary"), followed(agent, faulty)
    gone = [number for number in range(3) if number != left]
    for number in gone:
        faulty.kill_member(number)
    assert_status(agent, expected)
    for number in gone:
        faulty.restart_member(number, wait=False)
    assert_well(agent, faulty, expected)


@contextlib.contextmanager
def restarted_with(agent: Agent, environment: dict[str, str]) -> Iterator[None]:
    """Run the agent with other variables, and without them afterwards.

    It is killed in the end: mongod waits by the wall clock, and the head would not stop before that has caught up.
    """
    agent.stop()
    agent.environment = environment
    agent.start()
    try:
        yield
    finally:
        agent.kill()
        agent.environment = {}
        agent.start()


@pytest.fixture
def clocks(tmp_path: Path) -> clock.Clocks:
    """Give clocks to set."""
    if (lacking := clock.missing()) is not None:
        pytest.skip(lacking)
    return clock.Clocks(tmp_path)


def test_the_agents_clock_jumps(agent: Agent, faulty: ReplicaSet, clocks: clock.Clocks) -> None:
    """An hour ahead, two hours back, and right again: each time what is written is captured and the verdict is ok."""
    expected = row("clock of the agent jumps")
    with restarted_with(agent, clocks.environment):
        for ahead in (3600, -3600, 0):
            clocks.set_wall(ahead)
            written = write(faulty)
            status = assert_status(agent, expected, lambda s, w=written: at(s["captured"]) >= w, by_command=True)
            assert status["backup_lag_seconds"] < 60
    assert_well(agent, faulty, expected)


def test_all_members_are_gone_for_an_hour(agent: Agent, faulty: ReplicaSet, clocks: clock.Clocks) -> None:
    """Nobody answers for an hour: unknown from its first moment to its last, no alert, and then everything goes on."""
    expected = row("all members gone for an hour")
    with restarted_with(agent, clocks.environment):
        wait_ok(agent)
        for number in range(3):
            faulty.kill_member(number)
        assert_status(agent, expected, by_command=True)
        clocks.let_pass(3600)
        status = assert_status(agent, expected, lambda s: s["backup_lag_seconds"] is None, by_command=True)
        assert "tailing" == status["state"]
        for number in range(3):
            faulty.restart_member(number, wait=False)
        faulty.wait_healthy()
        assert_equal(agent, faulty)
    assert_well(agent, faulty, expected)


def test_an_overwritten_anchor_is_not_given_up_for_a_silent_member(agent: Agent, faulty: ReplicaSet) -> None:
    """Two of three say that the anchor is gone: unknown, until the third is removed; then Resync Required, and a resync helps."""
    expected = row("anchor overwritten, one member silent")
    agent.stop()
    silent = faulty.secondaries()[0]
    faulty.kill_member(silent)
    others = [faulty.addresses[number] for number in range(3) if number != silent]
    roll_over(faulty.uri, members=others)
    agent.start()
    assert_status(agent, expected, lambda s: f"{faulty.addresses[silent]}: unreachable" in s["waiting"])
    with faults.removed(faulty, silent):
        alert = agent.wait_state("resync_required")["alerts"][0]
        assert "critical" == agent.status()["verdict"]
        assert re.findall(r"`(\w+)`", expected.afterwards) == [alert["cause"]]
        agent.call("resync", "--owner", "tests")
        agent.wait_operation()
        assert_equal(agent, faulty)
        faults.replace_by_empty(faulty, silent)


def write_at(replica_set: ReplicaSet, number: int) -> Timestamp:
    """Write to this member, as the primary: when its clock leaps it may find that all others are silent, and step down."""
    faults.step_up(replica_set, number)
    return write(replica_set)


def ahead_of(before: Timestamp, written: Timestamp) -> Timestamp | None:
    """Return an optime that is almost an hour after another one."""
    return written if written.time - before.time > 3000 else None


def test_the_primarys_clock_jumps_ahead(agent: Agent, faulty: ReplicaSet, clocks: clock.Clocks) -> None:
    """Optimes leap an hour ahead and stay there when the clock is set right: the anchor is found, and nothing is missed."""
    expected, number = row("clock of the primary jumps ahead"), faulty.primary()
    faulty.stop_member(number)
    faulty.member(number).environment = clocks.environment
    faulty.restart_member(number)
    faults.step_up(faulty, number)
    before = write(faulty)
    for ahead in (3600, 0):
        clocks.set_wall(ahead)
        written = wait_until("the server sees the time", lambda: ahead_of(before, write_at(faulty, number)))
        assert_status(agent, expected, lambda s, w=written: at(s["captured"]) >= w)
    assert_well(agent, faulty, expected)
    asked = ("resync", "--owner", "tests", "--policy", "always", "--dry-run")
    plan = wait_until(
        "the set has a primary again", lambda: agent.call(*asked)[1].get("plan")
    )  # a leap may cost it its own
    assert plan["window_seconds"] > 3000


def test_every_row_of_the_table_has_its_test() -> None:
    """The table promises nothing that is not tried, and nothing is tried that it does not tell."""
    written = Path(__file__).read_text(encoding="utf-8")
    assert sorted(ROWS) == sorted(re.findall(r'= row\("([^"]+)"\)', written))
