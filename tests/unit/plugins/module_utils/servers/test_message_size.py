# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server does not say itself how much memory its answers take."""

from __future__ import annotations

import time

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.message_size import MOST_BYTES
from tests.unit.rogue import rogue

MEMBER = {"setName": "rs0", "secondary": True, "hosts": []}


@pytest.mark.parametrize(
    ("announced", "claimed", "found"),
    [
        (2**31 - 1, 0, "announces larger messages"),
        (MOST_BYTES + 1, 0, "announces larger messages"),
        (MOST_BYTES, 120_000_000, "found a message larger"),
    ],
)
def test_a_bomb_is_refused(announced: int, claimed: int, found: str) -> None:
    """Whether it is announced or simply sent: nothing of it is waited for."""
    with rogue({**MEMBER, "maxMessageSizeBytes": announced}, {"ping": {"ok": 1}}) as server:
        server.claimed = claimed
        began = time.monotonic()
        login = connection.Login({"login_uri": f"mongodb://{server.address}/", "connect_timeout_seconds": 2})
        with pytest.raises(RetryLater, match=found), connection.described("it"), login.seed() as client:
            client.admin.command("ping")
        assert time.monotonic() - began < 4


def test_what_mongodb_announces_is_taken() -> None:
    """It is this number, or none."""
    for more in ({"maxMessageSizeBytes": MOST_BYTES}, {}):
        with rogue({**MEMBER, **more}, {"ping": {"ok": 1}}) as server:
            login = connection.Login({"login_uri": f"mongodb://{server.address}/", "connect_timeout_seconds": 2})
            with login.seed() as client:
                assert 1 == client.admin.command("ping")["ok"]
