# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the service of a job sees, and which jobs are in each other's way."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.worlds import job_world, shared_places

STATE = "/var/lib/backup-agent"
OWN = {
    "shared": ["/etc/backup-agent", STATE],
    "read": ["/etc/backup-agent/orders.yml", "/etc/backup-agent/source/orders", "/etc/ssl/ca.pem", ""],
    "write": [f"{STATE}/orders", "/srv/backups/orders", "", f"{STATE}/restored"],
}


def other(name: str = "invoices", **variables: Any) -> dict[str, Any]:
    """Return the variables of another job."""
    return {"inventory_hostname": name, "backup_repository": f"/srv/backups/{name}", **variables}


class TestJobWorld:
    def test_what_is_the_jobs_own_is_bound_into_what_all_share(self) -> None:
        """Read-only where it only reads; what lies elsewhere needs no binding."""
        found = job_world(OWN, [], STATE)

        assert ["/etc/backup-agent/orders.yml", "/etc/backup-agent/source/orders"] == found["bound"]
        assert [f"{STATE}/orders", f"{STATE}/restored"] == found["bound_writable"]
        assert (["/srv/backups/orders"], []) == (found["writable"], found["hidden"])

    def test_what_others_have_elsewhere_is_hidden(self) -> None:
        """Repository, directory, socket, configuration and key; what lies in a shared directory is not there anyway."""
        places = {
            "backup_directory": "/srv/state/invoices",
            "backup_socket_directory": "/run/invoices",
            "backup_agent_config": "/etc/invoices.yml",
            "backup_source_tls": {"certificate_key_file": "/etc/ssl/invoices.pem", "ca_file": "/etc/ssl/ca.pem"},
        }
        found = job_world(OWN, [other(**places), other("items")], STATE)

        assert [
            "/etc/invoices.yml",
            "/etc/ssl/invoices.pem",
            "/run/invoices",
            "/srv/backups/invoices",
            "/srv/backups/items",
            "/srv/state/invoices",
        ] == found["hidden"]

    def test_what_the_job_has_as_well_is_not_hidden_from_it(self) -> None:
        """A certificate of the machine that both log in with; and a repository elsewhere is no path."""
        shared = {**OWN, "read": ["/etc/ssl/agent.pem"]}
        theirs = other(
            backup_source_tls={"certificate_key_file": "/etc/ssl/agent.pem"},
            backup_repository="s3:s3.example.com/invoices",
        )

        assert [] == job_world(shared, [theirs], STATE)["hidden"]


class TestSharedPlaces:
    @pytest.mark.parametrize(
        ("theirs", "words"),
        [
            ({"backup_repository": "/srv/backups/orders/"}, "/srv/backups/orders of the job invoices"),
            ({"backup_repository": "/srv/backups"}, "/srv/backups of the job invoices"),
            ({"backup_repository": "/srv/backups/orders/deep"}, "/srv/backups/orders/deep of the job invoices"),
            ({"backup_directory": f"{STATE}/orders"}, f"{STATE}/orders of the job invoices"),
            ({"backup_job": "orders"}, f"{STATE}/orders of the job orders"),
        ],
    )
    def test_a_place_of_another_job_is_named(self, theirs: dict[str, str], words: str) -> None:
        """The same one, one within it, and one around it."""
        own = {"directory": f"{STATE}/orders", "repository": "/srv/backups/orders"}

        assert [words] == shared_places(own, [other(**theirs)], STATE)

    @pytest.mark.parametrize(
        ("repository", "shared"),
        [("s3:s3.example.com/b", 1), ("s3:s3.example.com/b/", 1), ("s3:s3.example.com/b/x", 0)],
    )
    def test_repositories_elsewhere_are_compared_by_name(self, repository: str, shared: int) -> None:
        """One within another is another one."""
        own = {"directory": f"{STATE}/orders", "repository": "s3:s3.example.com/b"}

        assert shared == len(shared_places(own, [other(backup_repository=repository)], STATE))

    def test_neighbours_are_no_matter(self) -> None:
        """A name that begins alike is another one, and a job without a repository has none in common."""
        own = {"directory": f"{STATE}/orders", "repository": ""}

        assert [] == shared_places(own, [other("orders2", backup_repository="")], STATE)
