"""What capture takes an error of a member for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from backup_agent.capture.capture import Capture
from backup_agent.capture.slices import SliceWriter
from backup_agent.errors import AccessRefused, AgentError, Transient
from backup_agent.source.answers import AUTHENTICATION_FAILED, asked
from backup_agent.source.connections import SourceSet
from backup_agent.state.room import Room
from backup_agent.state.store import Store
from tests.unit.agent.jobs import configured

MEMBER = "127.0.0.1:1"


class Greeting(SourceSet):
    """A source whose member says this of itself."""

    def __init__(self, where: Path, hello: dict[str, Any]) -> None:
        super().__init__(configured(where))
        self._hello = hello

    def greet(self, member: str, login: bool) -> dict[str, Any]:  # noqa: ARG002 - as it is called
        """Say it."""
        return self._hello


def refused_login() -> AgentError:
    """Return what asking a member raises that refuses the login."""

    def call() -> None:
        raise OperationFailure("Authentication failed.", AUTHENTICATION_FAILED)

    with pytest.raises(AgentError) as caught:
        asked("hello", call)
    return caught.value


@pytest.mark.parametrize(
    ("hello", "kind", "words"),
    [
        ({"setName": "rs0", "secondary": True}, AccessRefused, "refused the user name or the password"),
        ({"setName": "rs0", "secondary": False}, Transient, "it may know no users"),
        ({}, Transient, "it may know no users"),
    ],
)
def test_only_a_member_that_knows_users_says_something_of_the_password(
    tmp_path: Path, hello: dict[str, Any], kind: type[AgentError], words: str
) -> None:
    """One that has lost its data, and has not been synced again, refuses every login: that is no alert about the password."""
    config = configured(tmp_path)
    with closing(Greeting(tmp_path, hello)) as sources, closing(Store(config.state_file)) as store:
        writer = SliceWriter(tmp_path / "slices", 1)
        found = Capture(sources, writer, Timestamp(1, 1), Room(config, store))._meaning(MEMBER, refused_login())
        writer.close()
    assert kind is type(found)
    assert words in found.message
