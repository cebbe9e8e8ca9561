"""What a job needs of its machine, and whether that reaches every member: a set with logins, a hidden member and an arbiter."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Agent, an_agent
from pymongo.errors import PyMongoError

from backup_agent.config import load
from backup_agent.machine.limits import memory_bytes
from backup_agent.source.answers import reason
from backup_agent.source.connections import SourceSet
from lab import Member, ReplicaSet
from lab.certificates import Certificates

MORE_THAN_ANY_MACHINE_MB = 2**30
Json = dict[str, Any]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Give a set of which one member is hidden and one is an arbiter."""
    members = [Member(priority=2), Member(hidden=True), Member(arbiter=True)]
    with ReplicaSet("rs0", members, oplog_mb=16, directory=tmp_path_factory.mktemp("rs"), auth=True) as replica_set:
        yield replica_set


def looked(agent: Agent, expected: int = 0) -> Json:
    """Return the answer, whose exit code must be the expected one; nothing may have been made."""
    before = sorted(agent.directory.rglob("*"))
    code, answer = agent.call("resources")
    assert expected == code, answer
    assert before == sorted(agent.directory.rglob("*"))
    return answer


def test_enough(small: ReplicaSet, tmp_path: Path) -> None:
    """Every member is reached, the arbiter too, which knows no login; nothing is missing and no file was made."""
    with an_agent(tmp_path, small) as agent:
        answer = looked(agent)
    assert [] == answer["missing"]
    assert dict.fromkeys(small.addresses, True) == {m["member"]: m["ok"] for m in answer["members"]}
    assert memory_bytes() == answer["memory"]["have_bytes"]
    assert (0.5, len(os.sched_getaffinity(0))) == (answer["cpu"]["needed"], answer["cpu"]["have"])
    (disk,) = answer["disks"]
    names = {part["name"] for part in disk["parts"]}
    assert {"first head", "second head", "slices", "scratch copy of the proof", "first snapshot", "kept free"} <= names


def test_a_job_that_runs_needs_less(small: ReplicaSet, tmp_path: Path) -> None:
    """Beside the daemon: the first head and the first snapshot are there; both heads count in memory all the same."""
    with an_agent(tmp_path, small, source__max_lag_seconds=600) as agent:
        new = looked(agent)
        agent.start()
        agent.wait_operation()
        code, answer = agent.call("resources")
        assert (0, []) == (code, answer["missing"])
        assert new["memory"] == answer["memory"]
        assert new["disks"][0]["needed_bytes"] > answer["disks"][0]["needed_bytes"]
        assert not {"first head", "first snapshot"} & {part["name"] for part in answer["disks"][0]["parts"]}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"head__cache_mb": MORE_THAN_ANY_MACHINE_MB}, "memory"),
        ({"disk_reserve_mb": MORE_THAN_ANY_MACHINE_MB}, "disk of "),
    ],
)
def test_too_little_is_said_with_the_amount(small: ReplicaSet, tmp_path: Path, change: Json, what: str) -> None:
    """A cache, and a reserve, that no machine has."""
    with an_agent(tmp_path, small, **change) as agent:
        (sentence,) = looked(agent, 1)["missing"]
    assert sentence.startswith(what)
    assert "TB needed" in sentence
    assert "TB missing" in sentence


def test_the_processors_of_the_process_count(small: ReplicaSet, tmp_path: Path) -> None:
    """A process that is bound to one of them has one."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        with an_agent(tmp_path, small) as agent:
            assert 1 == looked(agent)["cpu"]["have"]
    finally:
        os.sched_setaffinity(0, mine)


def test_a_name_that_does_not_exist_is_called_that(small: ReplicaSet, tmp_path: Path) -> None:
    """The name of a member that this machine cannot resolve."""
    with (
        an_agent(tmp_path, small, source__plaintext=True) as agent,
        contextlib.closing(SourceSet(load(agent.file))) as sources,
        pytest.raises(PyMongoError) as error,
    ):
        sources.greet("no-such-host.invalid:27017", login=True)
    assert reason(error.value).startswith("name not resolved")


def test_a_certificate_that_is_not_trusted_is_called_that(tmp_path: Path) -> None:
    """The set's certificates are of another authority than the one that the job trusts."""
    own, other = Certificates(tmp_path / "own"), Certificates(tmp_path / "other")
    trusted = {"ca_file": str(own.ca), "certificate_key_file": str(own.client)}
    with ReplicaSet("rs0", 1, oplog_mb=16, directory=tmp_path / "rs", auth=True, certificates=own) as secured:
        with an_agent(tmp_path / "a", secured, source__tls=trusted) as agent:
            assert [] == looked(agent)["missing"]
        with an_agent(tmp_path / "b", secured, source__tls={**trusted, "ca_file": str(other.ca)}) as agent:
            error = looked(agent, 2)["error"]
            assert error["message"].startswith(f"source: {secured.addresses[0]}: [SSL: CERTIFICATE_VERIFY_FAILED]")
            assert str(other.ca) in error["message"]


def test_members_that_are_not_reached_are_named(small: ReplicaSet, tmp_path: Path) -> None:
    """One is down, and one takes connections and never answers; then none with data answers: exit 5 with what each said.

    The last test of this set: it is not mended.
    """
    with socket.create_server(("127.0.0.1", 0)) as deaf, an_agent(tmp_path, small) as agent:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with small.client() as client:
            found = client.admin.command("replSetGetConfig")["config"]
            silent = {"_id": 9, "host": address, "priority": 0, "votes": 0, "hidden": True}
            changed = {**found, "members": [*found["members"], silent], "version": found["version"] + 1}
            client.admin.command("replSetReconfig", changed, force=True)  # does not wait for the deaf one
        small.kill_member(1)
        answer = looked(agent, 1)
        small.kill_member(0)
        error = looked(agent, 5)["error"]
    refused, timed_out = answer["missing"]
    assert refused.startswith(f"{small.addresses[1]} cannot be reached from here: refused")
    assert timed_out.startswith(f"{address} cannot be reached from here: timed out (")
    assert 0 < answer["data_bytes"]
    assert all(f"{gone} said: refused" in error["message"] for gone in small.addresses[:2])
    assert {"job", "memory", "cpu"} == set(error["details"])
