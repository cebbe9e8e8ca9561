# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From members to jobs and hosts."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import GiveUp
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.discovery import (
    groups_of,
    job,
    job_name,
    seeds_of,
)


class TestJobName:
    @pytest.mark.parametrize(
        ("expected", "cluster", "name"),
        [("orders", None, "orders"), ("shop-sh0", "shop", "sh0"), ("a_b-c_d", "a.b", "c d")],
    )
    def test_only_what_an_agent_takes(self, expected: str, cluster: str | None, name: str) -> None:
        """Dots and blanks are allowed for replica sets and not for jobs."""
        assert expected == job_name(cluster, name)


class TestSeedsOf:
    def test_parts(self) -> None:
        """As the config servers keep it."""
        assert ("rs0", "a:1,b:2") == seeds_of("rs0/a:1,b:2")

    @pytest.mark.parametrize("host", ["a:1", "rs0/", "/a:1", ""])
    def test_something_else(self, host: str) -> None:
        """A shard that is no replica set has not been possible for long."""
        with pytest.raises(ValueError, match="expected the host of a shard"):
            seeds_of(host)

    @pytest.mark.parametrize("addresses", ["user:word@a:1", "a:1/?tls=false", "a:1,-oProxyCommand=x:1", "a"])
    def test_addresses_that_say_more(self, addresses: str) -> None:
        """They would become a part of a URI, or an option of ssh."""
        with pytest.raises(GiveUp, match="as HOST:PORT"):
            seeds_of(f"rs0/{addresses}")


class TestJob:
    @pytest.mark.parametrize(
        "hostile", ["-oProxyCommand=touch /tmp/x:22", "a\n:1", "a b:1", "a:1?tls=false", "{{ x }}:1"]
    )
    def test_a_member_that_is_no_address(self, hostile: str) -> None:
        """`ansible_host` is an argument of ssh."""
        with pytest.raises(GiveUp, match="do not trust that machine"):
            job(None, None, "rs0", [Member("a:1"), Member(hostile)])

    def test_a_set_whose_name_says_more(self) -> None:
        """Its name stays a name in the URI."""
        found = job(None, None, "rs&tlsInsecure=true", [Member("a:1")])["variables"]
        assert "mongodb://a:1/?replicaSet=rs%26tlsInsecure%3Dtrue" == found["backup_source_uri"]

    def test_source_is_what_clients_see(self) -> None:
        """An arbiter or a hidden member in the address would not be found again by a driver."""
        members = [
            Member("a:1", "PRIMARY"),
            Member("b:1", hidden=True),
            Member("c:1", "ARBITER", arbiter=True),
            Member("d:1"),
        ]
        found = job("shop", "sh0", "rs0", members)
        assert "mongodb://a:1,d:1/?replicaSet=rs0" == found["variables"]["backup_source_uri"]
        assert ["a_1", "b_1", "c_1", "d_1"] == [member["name"] for member in found["members"]]

    def test_order_of_the_source_is_its_own(self) -> None:
        """A job that stayed the same gets the same address, whichever member is asked, and in any order."""
        members = [Member("b:1"), Member("a:2"), Member("a:1")]
        uris = {job(None, None, "rs0", order)["variables"]["backup_source_uri"] for order in (members, members[::-1])}
        assert {"mongodb://a:1,a:2,b:1/?replicaSet=rs0"} == uris

    def test_address_of_six_bytes(self) -> None:
        """An IPv6 address is connected to without its brackets."""
        (member,) = job(None, None, "rs0", [Member("[::1]:27017")])["members"]
        assert ("::1", 27017) == (member["variables"]["ansible_host"], member["variables"]["mongodb_port"])


class TestGroupsOf:
    def test_all(self) -> None:
        """By cluster, shard, state and tags."""
        variables = {"backup_cluster": "shop", "mongodb_state": "PRIMARY", "mongodb_tags": {"use": "app", "dc": "east"}}
        assert ["cluster_shop", "state_PRIMARY", "tag_dc_east", "tag_use_app"] == groups_of(variables)
