# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs and database servers of an inventory."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import StrictUndefined

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.inventory import (
    Job,
    address_of,
    jobs_of,
    member_names,
    server_names,
    with_port,
)


@pytest.mark.parametrize(
    ("uri", "members"),
    [
        ("mongodb://a:1,b:2/?replicaSet=rs0", ("a:1", "b:2")),
        ("mongodb://me:secret@a:1/admin", ("a:1",)),
        ("mongodb://a,b", ("a", "b")),
        ("mongodb://a:1?replicaSet=rs0", ("a:1",)),
        ("", ()),
        (None, ()),
    ],
)
def test_the_members_of_a_source(uri: str | None, members: tuple[str, ...]) -> None:
    """Neither the login nor an option is one."""
    assert members == jobs_of(["orders"], {"orders": {"backup_source_uri": uri}})[0].members


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({}, Job("orders", "", "orders", (), ())),
        (
            {"backup_agent_host": "m", "backup_cluster": "shop", "backup_vendor_agents": ["db1"]},
            Job("orders", "m", "shop", ("db1",), ()),
        ),
        ({"backup_vendor_agents": None, "backup_cluster": None}, Job("orders", "", "orders", (), ())),
        ({"backup_vendor_agents": "db1", "backup_cluster": ""}, Job("orders", "", "orders", ("db1",), ())),
        ({"backup_vendor_agents": [StrictUndefined(name="x")]}, Job("orders", "", "orders", (), ())),
    ],
)
def test_a_job(variables: dict[str, Any], job: Job) -> None:
    """A job that is a part of no cluster is one by itself."""
    assert [job] == jobs_of(["orders"], {"orders": variables})


@pytest.mark.parametrize(
    ("variables", "port", "own", "servers", "members"),
    [
        ({}, 27017, "", ["db1"], ["db1:27017"]),
        ({"ansible_host": "10.0.0.1"}, 27017, "", ["db1", "10.0.0.1"], ["db1:27017", "10.0.0.1:27017"]),
        ({"rolling_mongod_port": 27018}, 27018, "", ["db1:27018"], ["db1:27018"]),
        ({"ansible_host": "10.0.0.1"}, 27017, "x:1", ["db1", "10.0.0.1"], ["x:1"]),
    ],
)
def test_the_names_of_a_server(
    variables: dict[str, Any], port: int, own: str, servers: list[str], members: list[str]
) -> None:
    """A source may leave the port out; a replica set has one for each member."""
    hosts = {"db1": variables}
    assert (servers, members) == (server_names("db1", hosts), member_names("db1", hosts, port, own))


def test_the_address_of_a_host() -> None:
    """One that is not in the inventory is known by its name alone."""
    assert ["10.0.0.1", "db2"] == [address_of(host, {"db1": {"ansible_host": "10.0.0.1"}}) for host in ("db1", "db2")]


def test_the_port_of_a_member() -> None:
    """It is that of MongoDB where none is named."""
    assert ["a:27017", "a:1"] == [with_port("a"), with_port("a:1")]
