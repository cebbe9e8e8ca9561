"""What people have stored is in the copy and nowhere else: not in alerts, errors, reports or the journal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Agent, Client, an_agent, wait_until

from lab import Member, ReplicaSet

PERSONS = ("anna@example.com", "bert@example.com", "carl@example.com", "dora@example.com")
COPIES = ("data", "slices", "spool")
"""Parts of a generation that hold data."""


def told(agent: Agent) -> str:
    """Return everything that the agent says to anybody, and what it keeps besides the copy."""
    files = [path for path in Path(agent.settings["directory"]).rglob("*") if path.is_file()]
    kept = [path for path in files if not path.name.startswith("documents") and not {*path.parts} & {*COPIES}]
    assert {"state.sqlite"} <= {path.name for path in kept}
    said = [json.dumps(agent.call(command)[1]) for command in ("status", "operation", "snapshots")]
    return "\n".join([agent.log, *said, *(path.read_bytes().decode("latin-1") for path in kept)])


def validated(agent: Agent, _source: Client) -> str:
    """Let a validation find a document that is not the source's; return its sentence."""
    with agent.head(1) as head:
        head["shop"]["people"].update_one({"_id": PERSONS[0]}, {"$set": {"email": PERSONS[1]}})
    assert agent.call("validate", "--owner", "tests", "--level", "digest")[0] == 0
    found: dict[str, Any] = agent.wait_operation("failed")
    return str(found["error"])


def applied(agent: Agent, source: Client) -> str:
    """Let a unique key on the head refuse a document; return the sentence of the alert."""
    with agent.head(1) as head:
        head["shop"]["people"].insert_one({"_id": PERSONS[2], "email": PERSONS[3]})
    source["shop"]["people"].insert_one({"_id": PERSONS[1], "email": PERSONS[3]})
    status = wait_until("the alert", lambda: agent.status() if agent.status()["alerts"] else None)
    assert "email_1 (code 11000; key email)" in status["alerts"][0]["detail"]["message"]
    return str(status["alerts"])


def met(agent: Agent, source: Client) -> str:
    """Let an insert meet a document of the same `_id`; return the sentence of the alert."""
    with agent.head(1) as head:
        head["shop"]["people"].insert_one({"_id": PERSONS[2], "email": PERSONS[2]})
    source["shop"]["people"].insert_one({"_id": PERSONS[2], "email": PERSONS[3]})
    status = wait_until("the alert", lambda: agent.status() if agent.status()["alerts"] else None)
    return str(status["alerts"])


@pytest.mark.parametrize(("differ", "named"), [(validated, PERSONS[0]), (applied, PERSONS[1]), (met, PERSONS[2])])
def test_a_difference_names_nobody(tmp_path: Path, differ: Callable[[Agent, Client], str], named: str) -> None:
    """What is said has a word for the document; who it is about, is in a file for the agent's account alone."""
    members = [Member(priority=2), Member(priority=0)]
    with (
        ReplicaSet("rs0", members, oplog_mb=16, directory=tmp_path / "rs") as replica_set,
        replica_set.client(w="majority") as source,
        an_agent(tmp_path / "a", replica_set) as agent,
    ):
        source["shop"]["people"].create_index("email", unique=True)
        source["shop"]["people"].insert_one({"_id": PERSONS[0], "email": PERSONS[0]})
        agent.start()
        agent.wait_operation()
        agent.wait_state("tailing")
        said = differ(agent, source)
        everything = told(agent)
        assert [] == [person for person in PERSONS if person in everything]
        notes = [*Path(agent.settings["directory"]).rglob("documents.jsonl")]
        assert notes
        for note in notes:
            line = json.loads(note.read_text().splitlines()[0])
            assert (f'"{named}"', True) == (line["_id"], line["word"] in said)
            assert 0o600 == note.stat().st_mode & 0o777
