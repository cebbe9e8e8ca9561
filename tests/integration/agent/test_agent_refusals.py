"""Bad configuration, preflight failures, unknown entries: what is wrong, the remedy, and nothing changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from harness import an_agent, assert_equal, wait_until
from prepared import Prepared

from backup_agent.times import show
from lab import Member, ReplicaSet


def problems(answer: dict[str, Any]) -> str:
    """Return every failed check, or the error, in one text."""
    if not answer["ok"]:
        return str(answer["error"]["message"])
    return "\n".join(f"{c['name']}: {c['detail']} {c['remedy']}" for c in answer["checks"] if not c["ok"])


BAD = {
    "an unknown key": ({"colour": "blue"}, 2, "colour: unknown key"),
    "another set's name": ({"source__replica_set": "other"}, 1, "other"),
    "a missing mongod": ({"head__mongod": "/nowhere/mongod"}, 1, "/nowhere/mongod"),
    "a missing restic": ({"repository__restic": "/nowhere/restic"}, 1, "/nowhere/restic"),
    "credentials in the URI": ({"source__uri": "mongodb://u:secret@127.0.0.1/"}, 2, "no credentials in the URI"),
    "a directory that is not absolute": ({"directory": "relative"}, 2, "absolute"),
    "a member that does not answer": ({"source__uri": "mongodb://127.0.0.1:1/?replicaSet=rs0"}, 1, "source"),
    "a directory that cannot be made": ({"directory": "/proc/1/job"}, 1, "/proc"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_configuration_is_named(source: ReplicaSet, tmp_path: Path, what: str) -> None:
    """Each mistake in the file is answered with the value, the remedy and an exit code that is not 0."""
    changes, code, words = BAD[what]
    with an_agent(tmp_path, source, **changes) as agent:
        found, answer = agent.call("check-config")
        assert code == found
        assert words in problems(answer)
        assert "secret" not in problems(answer)


def test_a_wrong_password_is_named(tmp_path: Path) -> None:
    """With authentication on, a wrong password is called that, and the right one passes every check."""
    with ReplicaSet("rs0", 2, oplog_mb=16, directory=tmp_path / "rs", auth=True) as secured:
        with an_agent(tmp_path / "a", secured) as agent:
            code, answer = agent.call("check-config")
            assert (0, "") == (code, problems(answer))
            (tmp_path / "a" / "user-password").write_text("wrong\n")
            code, answer = agent.call("check-config")
        assert 1 == code
        assert "source.password_file" in problems(answer)


def test_a_resync_that_cannot_succeed_is_refused(tmp_path: Path) -> None:
    """Without an eligible secondary, a primary or an agent, a resync is refused in one line and changes nothing."""
    members = [Member(priority=2), Member(priority=0)]
    with ReplicaSet("rs0", members, oplog_mb=16, directory=tmp_path / "rs") as small, small.client() as client:
        client["shop"]["orders"].insert_many([{"_id": n} for n in range(100)])
        with an_agent(tmp_path / "a", small) as agent:
            code, answer = agent.call("resync", "--owner", "tests", "--policy", "always")
            assert (4, "agent_down") == (code, answer["error"]["code"])
            agent.start()
            agent.wait_operation()
            agent.wait_state("tailing")
            before = agent.call("operation")[1]
            small.kill_member(1)

            def refused() -> Any:
                _, answer = agent.call("resync", "--owner", "tests", "--policy", "always", "--dry-run")
                message = answer.get("error", {}).get("message", "")
                return answer if "no primary" in message or "no eligible secondary" in message else None

            answer = wait_until("the loss of the secondary is seen", refused, 60)
            message = answer["error"]["message"]
            assert "preflight_failed" == answer["error"]["code"]
            assert small.addresses[1] in message or "no primary" in message
            assert before == agent.call("operation")[1]
            assert [] == agent.status()["leases"]


def test_a_window_shorter_than_the_sync_is_refused(source: ReplicaSet, synced: Prepared, tmp_path: Path) -> None:
    """The check of the window compares a measured rate with what the oplog holds, and says both."""
    with synced.agent(tmp_path) as agent:
        agent.start()
        agent.wait_state("tailing")
        code, answer = agent.call("resync", "--owner", "tests", "--policy", "always", "--dry-run")
        window = next(check for check in answer["plan"]["checks"] if check["name"] == "window")
        assert (0, True) == (code, window["ok"])
        assert answer["plan"]["rate_bytes_per_second"] > 0
        assert f"{answer['plan']['window_seconds']} s" in window["detail"]


WITHOUT_COLLMOD = """
from backup_agent.replay import rules
rules.COMMANDS.pop("collMod")
from backup_agent.__main__ import main
main()
"""


def test_what_is_not_in_the_table_stops_the_job(source: ReplicaSet, synced: Prepared, tmp_path: Path) -> None:
    """An agent whose table lacks a command stops there and names it; one that has it goes on where the other stopped."""
    with source.client(w="majority") as client, synced.agent(tmp_path) as agent:
        client.unknown.c.insert_one({"_id": 1})
        program, agent.program = agent.program, ["-c", WITHOUT_COLLMOD]
        agent.start()
        client.unknown.command("collMod", "c", validationLevel="moderate")
        client.unknown.c.insert_one({"_id": 2})
        status = agent.wait_state("stopped")
        alert = next(alert for alert in status["alerts"] if alert["kind"] == "stopped")
        oplog = client.local["oplog.rs"].find_one({"ns": "unknown.$cmd", "o.collMod": "c"})
        assert oplog is not None
        message = alert["detail"]["message"]
        assert message.startswith(f"c collMod on unknown.$cmd at {show(oplog['ts'])} (term {oplog['t']}): ")
        assert "resync the job" in message
        agent.stop()
        agent.program = program
        agent.start()
        agent.wait_state("tailing")
        assert_equal(agent, source)


UNDELETABLE = """#!/bin/sh
case "$2" in forget) echo "Fatal: unable to remove snapshot: 403 Forbidden" >&2; exit 1 ;; esac
exec {restic} "$@"
"""


def test_a_repository_that_lets_nothing_be_deleted_takes_new_snapshots(synced: Prepared, tmp_path: Path) -> None:
    """Its retention fails and says so; what was taken stays, and so does what could not be removed."""
    program = tmp_path / "restic"
    program.write_text(UNDELETABLE.format(restic=shutil.which("restic")))
    program.chmod(0o755)
    with synced.agent(tmp_path, repository__restic=str(program), snapshots__keep_last=1) as agent:
        agent.start()
        agent.wait_state("tailing")
        names = {found["name"] for found in agent.call("snapshots")[1]["snapshots"]}
        for name, state in (
            ("first", "done"),
            ("second", "failed"),
            ("third", "failed"),
        ):  # the proven one stays anyway
            agent.call("snapshot", "--name", name, "--owner", "tests")
            ended = agent.wait_operation(state)
            assert state == "done" or "403 Forbidden" in ended["error"]["message"]
            names.add(name)
            assert names == {found["name"] for found in agent.call("snapshots")[1]["snapshots"]}
        code, answer = agent.call("snapshot", "--name", "first", "--state", "absent", "--owner", "tests")
        assert (1, True) == (code, "403 Forbidden" in answer["error"]["message"])
        assert {"good"} == {found["state"] for found in agent.call("snapshots")[1]["snapshots"]}
        assert names == {found["name"] for found in agent.call("snapshots")[1]["snapshots"]}
