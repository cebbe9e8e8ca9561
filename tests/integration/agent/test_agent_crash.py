"""kill -9 of the agent and of its head, at named points, always ending in the exact comparison."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import Agent, an_agent, assert_equal

from lab import ReplicaSet, Writer

MIX = {"insert": 45, "update": 30, "delete": 10, "transaction": 14, "index": 1}


def crash(agent: Agent, source: ReplicaSet, point: str) -> None:
    """Run into a failure point under writes, start again, and require the exact comparison."""
    with Writer(source.uri, rate=150, mix=MIX, collections=4) as writer:
        agent.stop()
        agent.start(**{point: "kill"})
        writer.wait_for(50)
        agent.wait_dead()
        agent.start()
        writer.wait_for(50)
    agent.wait_state("tailing")
    assert_equal(agent, source)


def test_a_crash_anywhere_in_tailing_loses_and_doubles_nothing(source: ReplicaSet, tmp_path: Path) -> None:
    """kill -9 of the agent before and after each write of capture and apply, and of the head, always ends equal."""
    with an_agent(tmp_path, source) as agent:
        agent.start()
        agent.wait_operation()
        agent.wait_state("tailing")
        for point in ("capture_write", "capture_written", "apply_before_commit", "apply_after_commit"):
            crash(agent, source, point)
        with Writer(source.uri, rate=150, mix=MIX, collections=4) as writer:
            writer.wait_for(50)
            with agent.head(1) as head:
                pid = int(head.admin.command("serverStatus")["pid"])
            os.kill(pid, signal.SIGKILL)
            writer.wait_for(50)
        assert_equal(agent, source)


@pytest.mark.parametrize("point", ["copy_collection_done", "copy_done", "index_build", "switch_before", "switch_after"])
def test_a_crash_anywhere_in_a_sync_is_resumed(source: ReplicaSet, tmp_path: Path, point: str) -> None:
    """kill -9 of the agent inside an initial sync: the next start goes on with the same operation, and it ends equal."""
    with an_agent(tmp_path, source) as agent:
        with Writer(source.uri, rate=100, mix=MIX, collections=4) as writer:
            writer.wait_for(20)
            agent.start(**{point: "kill"})
            agent.wait_dead()
            interrupted = agent.operation()["id"]
            agent.start()
            operation = agent.wait_operation()
        assert interrupted == operation["id"]
        assert_equal(agent, source)
