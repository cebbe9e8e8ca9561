# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Agents of a vendor, which the product may know by another name than the inventory."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.agents import agent_on, unheard

EARLY, LATE = "2026-01-31T04:00:00Z", "2026-01-31T05:00:00Z"


def agent(host: str | None, last_conf: str | None = EARLY) -> dict[str, Any]:
    return {"host": host, "state": "ACTIVE", "last_conf": last_conf}


@pytest.mark.parametrize(
    ("host", "address", "known", "found"),
    [
        ("db1", "db1", ["db1"], "db1"),
        ("db1", "10.0.0.1", ["10.0.0.1"], "10.0.0.1"),
        ("DB1", "db1", ["Db1.Example.com"], "Db1.Example.com"),
        ("db1.here", "db1.here", ["db1.there"], "db1.there"),
        ("first", "db1.here", ["db1.there"], "db1.there"),
        ("db1", "db1", ["db1.a", "db1.b"], None),
        ("db1", "db1", ["db1.a", "db1"], "db1"),
        ("10.0.0.1", "10.0.0.1", ["10.0.0.2"], None),
        ("10.0.0.1", "fe80::1", ["10.example.com"], None),
        ("db1", "db1", ["db2", None], None),
        ("db1", "db1", [], None),
    ],
)
def test_the_agent_on_a_host(host: str, address: str, known: list[str | None], found: str | None) -> None:
    """By its name, its address, or another domain; a short name that fits several hosts, or an address, fits none."""
    answer = agent_on(host, address, [agent(name) for name in known])
    assert found == (answer and answer["host"])


def test_of_two_on_a_host_the_newest_counts() -> None:
    """An agent that was installed again may be there twice; one that was never heard of is older than all others."""
    known = [agent("db1.a", EARLY), agent("db1.a", LATE), agent("db1.a", None)]
    assert known[1] is agent_on("db1", "db1", known)
    assert known[2] is agent_on("db1", "db1", known[2:])


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ([agent("db1", LATE)], []),
        ([agent("db1", EARLY)], [f"the agent on db1 was heard of at {EARLY}, not since {EARLY}"]),
        ([agent("db1", None)], [f"the agent on db1 was heard of at no time, not since {EARLY}"]),
        ([agent("db2"), agent("db3")], ["no agent is known on db1, but on db2, db3"]),
        ([], ["no agent is known on db1, but on none"]),
    ],
)
def test_who_was_not_heard_of(known: list[dict[str, Any]], said: list[str]) -> None:
    """To be heard of at the very moment is not to be heard of since."""
    assert said == unheard({"db1": EARLY}, {"db1": "10.0.0.1"}, known)
