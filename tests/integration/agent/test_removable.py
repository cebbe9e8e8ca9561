"""Whether a repository may be deleted as a whole: restic itself, and the snapshots of several."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from backup_agent.config import Repository
from backup_agent.repository.restic import Restic
from backup_agent.state.store import Store
from lab.repository import make_repository
from tests.integration.agent.harness import Json, command

JOB = "orders"


class Machine:
    """A repository of a job, and the state of its agent."""

    def __init__(self, where: Path) -> None:
        """The repository is empty."""
        self.where, self.state = where, where / "state"
        (where / "password").touch(mode=0o600)
        (where / "password").write_text("one")
        (where / "file").write_text("what is kept")
        self.state.mkdir()
        with contextlib.closing(Store(self.state / "state.sqlite")) as store:
            self.agent = store.identity
        found = Repository(location=str(where / "repository"), password_file=where / "password")
        self.restic = Restic(found, where / "cache")
        make_repository(where / "repository", "one")

    def store(self, *tags: str) -> None:
        """Store something, as somebody who says so much of himself."""
        self.restic.backup(self.where, ["file"], host="any", tags=tags)

    def ask(self, **changes: str) -> tuple[int, Json]:
        """Ask whether it may be deleted."""
        options = {"repository": self.where / "repository", "password-file": self.where / "password", "job": JOB}
        named = {**options, "directory": self.state, **changes}
        return command("removable", *(word for name, value in named.items() for word in (f"--{name}", str(value))))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Give a machine whose job has stored two snapshots: one by this version, one by the first one."""
    found = Machine(tmp_path)
    found.store(f"job={JOB}", f"agent={found.agent}", "name=a")
    found.store(f"job={JOB}", "name=b")
    return found


def test_what_is_the_jobs_alone_may_go(machine: Machine) -> None:
    """Their number is said, and nothing is left behind; a directory without anything holds nothing."""
    code, found = machine.ask()

    assert (code, found["snapshots"]) == (0, 2)
    assert machine.ask(repository=str(machine.where / "none"))[1]["snapshots"] == 0


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (["job=invoices"], "1 of the job invoices"),
        ([f"job={JOB}", "agent=b2"], "1 of another agent of this job, b2"),
        (["by-hand"], "1 that no agent has stored"),
    ],
)
def test_what_somebody_else_has_stored_stays(machine: Machine, tags: list[str], words: str) -> None:
    """They are named, and so is what to do."""
    machine.store(*tags)

    code, found = machine.ask()

    assert code == 3
    assert words in found["error"]["message"]
    assert "remove those first" in found["error"]["message"]


def test_without_its_state_an_agent_does_not_know_what_is_its_own(machine: Machine) -> None:
    """The snapshot could be that of the agent that went on elsewhere."""
    code, found = machine.ask(directory=str(machine.where / "none"))

    assert code == 3
    assert f"1 of an agent of this job, {machine.agent}" in found["error"]["message"]


def test_what_cannot_be_read_may_hold_anything(machine: Machine) -> None:
    """With another password, and where something else is than a repository."""
    (machine.where / "password").write_text("two")
    code, found = machine.ask()
    assert code == 2
    assert "cannot open" in found["error"]["message"]

    code, found = machine.ask(repository=str(machine.state))
    assert code == 2
    assert "expected a restic repository" in found["error"]["message"]
