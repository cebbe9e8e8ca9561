"""`watch` beside a real replica set: an agent that is away in time, for too long, and until its cursor is lost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from bson.timestamp import Timestamp
from harness import Agent, an_agent, wait_until

from backup_agent.state.store import Store
from backup_agent.times import iso_in
from lab import Member, ReplicaSet
from lab.rollover import roll_over

Json = dict[str, Any]


def watch(agent: Agent, *arguments: str) -> tuple[int, Json]:
    """Run the command over the agent's directory; returns its exit code and what it found of the job."""
    command = [sys.executable, "-m", "backup_agent", "watch", "--directory", str(agent.directory), *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)["jobs"][0]


def begin(agent: Agent, latest_in_seconds: int) -> None:
    """Begin maintenance, or renew it."""
    latest = ["--latest-safe-restart", iso_in(latest_in_seconds)]
    code, answer = agent.call(
        "maintenance", "begin", "--owner", "tests", "--reason", "a test", "--for-seconds", "600", *latest
    )
    assert 0 == code, answer


def owners(directory: Path) -> dict[str, int]:
    """Return who has each file of the state."""
    return {path.name: path.stat().st_uid for path in directory.glob("state.sqlite*")}


def test_an_agent_that_is_away_is_watched(tmp_path: Path) -> None:
    """In time it is good; late it is critical, by the record and by what the members have; lost is said with the command."""
    members = [Member(priority=2), Member()]
    with ReplicaSet("rs0", members, oplog_mb=16, directory=tmp_path / "rs") as source, source.client() as client:
        client.shop.orders.insert_many([{"_id": number} for number in range(100)])
        with an_agent(tmp_path / "a", source) as agent:
            agent.start()
            agent.wait_operation()
            agent.wait_state("tailing")
            wait_until("the source's oldest entry is seen", lambda: agent.status()["oldest"])
            code, found = watch(agent)
            assert (0, True) == (code, found["alive"]), found
            begin(agent, 7200)
            record = agent.status()["maintenance"]
            assert record["oldest"]
            assert record["captured"]
            agent.stop()

            code, found = watch(agent)
            assert (0, "ok", "record") == (code, found["level"], found["decided_by"]), found
            assert sorted(source.addresses) == sorted(found["source"]["oldest"])
            code, status = agent.call("status")
            assert (4, "warning") == (code, status["verdict"])
            if os.geteuid() == 0:
                for path in (agent.directory / "job").glob("state.sqlite*"):
                    os.chown(path, 12345, 12345)
                before = owners(agent.directory / "job")
                watch(agent)
                assert before == owners(agent.directory / "job")
                for name in before:
                    os.chown(agent.directory / "job" / name, 0, 0)

            begin(agent, 600)
            code, found = watch(agent)
            assert (1, "critical", "record") == (code, found["level"], found["decided_by"]), found
            assert "start the agent: " in found["text"]
            code, status = agent.call("status")
            assert (1, "critical") == (code, status["verdict"])
            begin(agent, 7200)

            with contextlib.closing(Store(Path(agent.settings["directory"]) / "state.sqlite")) as store:
                # As if the oldest entries had moved on by a day in the seconds since it began.
                begun = store.maintenance()
                assert begun is not None
                assert begun.oldest is not None
                store.observe("maintenance", replace(begun, oldest=Timestamp(begun.oldest.time - 86400, 1)))
            code, found = watch(agent)
            assert (1, "critical", "source") == (code, found["level"], found["decided_by"]), found
            assert "s of that each second" in found["text"]

            roll_over(source.bare_uri)
            metrics = tmp_path / "watch.prom"
            code, found = watch(agent, "--textfile", str(metrics))
            assert (1, "critical", True) == (code, found["level"], found["lost"]), found
            assert "ansible-playbook mongodb_ops.backup.resync --limit orders" in found["text"]
            assert found["source"]["headroom_seconds"] <= 0
            assert 'mongodb_backup_agent_up{backup="orders",job="orders"} 0.0' in metrics.read_text()

            source.kill_member(1)
            code, found = watch(agent)
            assert (1, "critical", False) == (code, found["level"], found["lost"]), found
            assert f"{source.addresses[1]} did not answer" in found["text"]
            assert "no member that answered has the entry that is needed next" in found["text"]
