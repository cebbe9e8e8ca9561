"""What a member sends is bounded by the agent, whatever the member says."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from pymongo.errors import PyMongoError

from backup_agent.source.connections import SourceSet
from backup_agent.values import MOST_MESSAGE_BYTES
from tests.unit.agent.jobs import configured
from tests.unit.rogue import rogue

MEMBER = {"setName": "rs0", "secondary": True, "hosts": []}


@pytest.mark.parametrize(
    ("announced", "claimed", "words"),
    [
        (2**31 - 1, 0, f"at most {MOST_MESSAGE_BYTES} bytes"),
        (MOST_MESSAGE_BYTES, 120_000_000, "larger than server max"),
        (MOST_MESSAGE_BYTES, 0, ""),
    ],
)
def test_a_message_is_no_larger_than_those_of_mongodb(tmp_path: Path, announced: int, claimed: int, words: str) -> None:
    """A server that announces more is not asked at all; one that sends more is not listened to."""
    with rogue({**MEMBER, "maxMessageSizeBytes": announced}, {"ping": {"ok": 1}}) as server:
        server.claimed = claimed
        source = {"uri": f"mongodb://{server.address}/", "replica_set": "rs0", "connect_timeout_seconds": 2}
        with closing(SourceSet(configured(tmp_path, source=source))) as sources:
            asked = sources.prompt(server.address).admin
            if not words:
                assert 1 == asked.command("ping")["ok"]
                return
            with pytest.raises(PyMongoError, match=words):
                asked.command("ping")


def test_a_server_with_two_faces_is_refused(tmp_path: Path) -> None:
    """It announces what it should where the driver only looks, and more on the connection that counts."""
    with rogue({**MEMBER, "maxMessageSizeBytes": MOST_MESSAGE_BYTES}, {"ping": {"ok": 1}}) as server:
        server.to_logins = {"maxMessageSizeBytes": 2**31 - 1}
        (tmp_path / "word").write_text("x")
        (tmp_path / "word").chmod(0o600)
        user = {"username": "backup", "password_file": str(tmp_path / "word")}
        source = {"uri": f"mongodb://{server.address}/", "replica_set": "rs0", "connect_timeout_seconds": 2, **user}
        refused = pytest.raises(PyMongoError, match=f"at most {MOST_MESSAGE_BYTES} bytes")
        with closing(SourceSet(configured(tmp_path, source=source))) as sources, refused:
            sources.prompt(server.address).admin.command("ping")
