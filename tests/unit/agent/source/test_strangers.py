"""What answers at an address of the URI and is no member of the set."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from backup_agent.errors import BadConfiguration
from backup_agent.source.connections import SourceSet
from tests.unit.agent.jobs import configured

MONGOS = {"isWritablePrimary": True, "msg": "isdbgrid"}
"""What matters here of the answer of a mongos to hello: see that command in the manual of MongoDB, read in November 2026. No
mongos can be had where this was written. A mongod without a set answered as below, 5.0 and 6.0 alike."""
ALONE = {"isWritablePrimary": True}


class Answering(SourceSet):
    """A source at which a server answers that is in no set."""

    def __init__(self, where: Path, hello: dict[str, Any]) -> None:
        super().__init__(configured(where))
        self._hello = hello

    def prompt(self, member: str) -> Any:  # noqa: ARG002 - as it is called
        """Refuse every command about a set, as a server does that is in none."""

        class Refusing:
            def command(self, name: str, **_options: object) -> None:
                raise OperationFailure(f"no such command: {name}", 59)

        class Client:
            admin = Refusing()

        return Client()

    def greet(self, member: str, login: bool) -> dict[str, Any]:  # noqa: ARG002 - as it is called
        """Say what the server is."""
        return self._hello


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        (MONGOS, "found a mongos at 127.0.0.1:1; name the members of the set, each shard is a job"),
        (ALONE, "found a mongod that is in no set at 127.0.0.1:1; name the members of the set"),
    ],
)
def test_it_is_named(tmp_path: Path, hello: dict[str, Any], words: str) -> None:
    """With its address, and what to write instead."""
    with closing(Answering(tmp_path, hello)) as sources, pytest.raises(BadConfiguration) as refused:
        sources.topology()
    assert f"source.uri: expected members of the replica set rs0, {words}" == refused.value.message
