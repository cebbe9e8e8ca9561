# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules are told of a job, from the variables of its host."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import StrictUndefined

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.job_options import (
    cluster_of,
    job_options,
    machine_of,
    ops_manager_options,
    variable,
)

NOT_SET = StrictUndefined(name="x")
"""What hostvars has for a template that names something that is not set."""

HOST = {"inventory_hostname": "orders"}
LIMITS = {"slack_minutes": {"warning": 720, "critical": 120}, "proven_age_hours": {"warning": 744}}
ALONE = {"name": "orders", "machine": "controller", "min_hours": 24, "thresholds": {}}
AGENT = {
    **ALONE,
    "machine": "backup1",
    "thresholds": LIMITS,
    "provider": "embedded",
    "agent_command": "/opt/backup-agent/venv/bin/backup-agent",
    "agent_config": "/etc/backup-agent/orders.yml",
}
VENDOR = {**HOST, "backup_provider": "ops_manager", "backup_ops_manager_url": "https://o"}


class TestJobOptions:
    @pytest.mark.parametrize(
        ("expected", "variables"),
        [
            (ALONE, {}),
            (ALONE, {"backup_agent_host": ""}),
            (
                {**ALONE, "name": "shop", "cluster": "c", "min_hours": 48},
                {"backup_job": "shop", "backup_cluster": "c"} | {"check_min_window_hours": 48},
            ),
            ({**ALONE, "min_hours": "48"}, {"check_min_window_hours": "48", "check_thresholds": {"slack_minutes": {}}}),
            (AGENT, {"backup_agent_host": "backup1"}),
            (
                {**AGENT, "agent_command": "/srv/a/venv/bin/backup-agent", "agent_config": "/srv/c/orders.yml"},
                {
                    "backup_agent_host": "backup1",
                    "backup_agent_directory": "/srv/a",
                    "backup_agent_config_directory": "/srv/c",
                },
            ),
            (
                {**AGENT, "provider": "pbm", "agent_command": "agent", "agent_config": "/x.yml"},
                {"backup_agent_host": "backup1", "backup_agent_directory": "/srv/a", "backup_provider": "pbm"}
                | {"backup_agent_command": "agent", "backup_agent_config": "/x.yml"},
            ),
        ],
    )
    def test_where_the_job_is(self, expected: Any, variables: dict[str, Any]) -> None:
        """A job without an agent has neither a provider nor limits of a backup; names and paths follow the job."""
        assert expected == job_options({**HOST, **variables})

    @pytest.mark.parametrize(
        ("expected", "own"),
        [
            (LIMITS, {}),
            ({**LIMITS, "slack_minutes": {"warning": 720, "critical": 60}}, {"slack_minutes": {"critical": 60}}),
            ({**LIMITS, "apply_lag_seconds": {"warning": 5}}, {"apply_lag_seconds": {"warning": 5}}),
            ({**LIMITS, "proven_age_hours": None}, {"proven_age_hours": None}),
        ],
    )
    def test_limits(self, expected: Any, own: dict[str, Any]) -> None:
        """What is given for a job replaces that limit alone."""
        assert expected == job_options({**HOST, "backup_agent_host": "b", "check_thresholds": own})["thresholds"]

    @pytest.mark.parametrize(
        ("expected", "variables"),
        [
            ({"login_database": "admin", "tls": False}, {}),
            (
                {
                    "login_user": "u",
                    "login_password": "p",
                    "login_database": "users",
                    "auth_mechanism": "PLAIN",
                    "tls": False,
                },
                {"backup_source_username": "u", "backup_source_password": "p", "backup_source_auth_source": "users"}
                | {"backup_source_auth_mechanism": "PLAIN", "backup_source_tls": {}},
            ),
            ({"login_database": "admin", "tls": False}, {"backup_source_username": "", "backup_source_password": ""}),
            (
                {"login_database": "admin", "tls": True, "tls_ca_file": "/ca", "tls_certificate_key_file": "/key"},
                {"backup_source_tls": {"ca_file": "/ca", "certificate_key_file": "/key"}},
            ),
            ({"login_database": "admin", "tls": True}, {"backup_source_tls": {"enabled": True}}),
            (
                {"login_database": "admin", "tls": False, "plaintext": True, "hosts": ["*.db"]},
                {"backup_source_plaintext": True, "backup_source_hosts": ["*.db"]},
            ),
        ],
    )
    def test_how_the_source_is_reached(self, expected: Any, variables: dict[str, Any]) -> None:
        """What is empty is left out, and any key of backup_source_tls means TLS."""
        found = job_options({**HOST, "backup_source_uri": "mongodb://db1", **variables})
        assert {**ALONE, "login_uri": "mongodb://db1", **expected} == found

    def test_no_source_no_login(self) -> None:
        """A user without a source is one for the agent alone."""
        assert ALONE == job_options({**HOST, "backup_source_uri": "", "backup_source_username": "u"})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("backup_source_tls", {"ca_file": "/ca", "certificate_key_file": NOT_SET}),
            ("backup_source_password", NOT_SET),
            ("check_thresholds", {"slack_minutes": {"critical": NOT_SET}}),
            ("backup_agent_config", NOT_SET),
            ("backup_agent_host", NOT_SET),
            ("backup_job", NOT_SET),
            ("backup_cluster", [NOT_SET]),
            ("backup_source_uri", NOT_SET),
        ],
    )
    def test_a_template_that_names_what_is_not_set(self, name: str, value: object) -> None:
        """Without it the job would be read in another way than was meant, perhaps without TLS."""
        its = {**HOST, "backup_agent_host": "backup1", "backup_source_uri": "mongodb://db1", name: value}
        with pytest.raises(
            FixInput, match=f"Expected a value of {name}, found 'x' is undefined; set it in the inventory"
        ):
            job_options(its)

    def test_a_template_that_fails(self) -> None:
        """Whatever else it says could quote a secret."""
        with pytest.raises(FixInput, match="of backup_source_password, found a template that fails;"):
            job_options({**HOST, "backup_source_uri": "u", "backup_source_password": StrictUndefined("no file s3cr3t")})


class TestOpsManagerOptions:
    @pytest.mark.parametrize("provider", [{}, {"backup_provider": "embedded"}])
    def test_of_another_provider(self, provider: dict[str, str]) -> None:
        """There is nothing to say."""
        assert {} == ops_manager_options({**VENDOR, "backup_provider": None} | provider)

    @pytest.mark.parametrize(
        ("expected", "variables"),
        [
            ("orders", {}),
            ("job", {"backup_job": "job"}),
            ("set", {"backup_job": "job", "backup_replica_set": "set"}),
            ("c", {"backup_job": "job", "backup_replica_set": "set", "backup_ops_manager_cluster": "c"}),
        ],
    )
    def test_the_cluster(self, expected: str, variables: dict[str, str]) -> None:
        """It is said, or has the name of the replica set, of the job, or of the host."""
        assert {"url": "https://o", "cluster": expected} == ops_manager_options({**VENDOR, **variables})

    def test_a_template_that_names_what_is_not_set(self) -> None:
        """It is named, also where it is deep inside."""
        with pytest.raises(FixInput, match="a value of backup_ops_manager, found 'x' is undefined"):
            ops_manager_options({**VENDOR, "backup_ops_manager": {"hand_off": [{"minutes": NOT_SET}]}})

    def test_variables_of_their_own_go_first(self) -> None:
        """Each replaces its key of backup_ops_manager, and the keys without one stay."""
        common = {"url": "https://old", "cluster": "old", "project": "p", "poll_seconds": 5}
        found = ops_manager_options({**VENDOR, "backup_ops_manager": common, "backup_confirm_snapshot_loss": False})
        expected = {"url": "https://o", "cluster": "orders", "project": "p", "poll_seconds": 5}
        assert {**expected, "confirm_snapshot_loss": False} == found

    def test_a_job_of_it(self) -> None:
        """It has no agent of ours, wherever its host is, and only the limits that were given for it."""
        limits = {"snapshot_age_hours": {"critical": 48}}
        found = job_options({**VENDOR, "backup_agent_host": "backup1", "check_thresholds": limits})
        place = {"provider": "ops_manager", "ops_manager": {"url": "https://o", "cluster": "orders"}}
        assert {**ALONE, "machine": "backup1", "thresholds": limits, **place} == found


def test_variable() -> None:
    """The default is for what is not set, and for what names that at any depth; an empty value is one."""
    torn = {"a": NOT_SET, "b": "", "d": {"e": ["f", NOT_SET]}}
    assert (None, 1, "", 2, 3) == (
        variable(torn, "a"),
        variable(torn, "a", 1),
        variable(torn, "b", 1),
        variable(torn, "c", 2),
        variable(torn, "d", 3),
    )


@pytest.mark.parametrize("value", ["", None, NOT_SET])
def test_a_machine_and_a_cluster_that_are_empty(value: object) -> None:
    """They are not given."""
    its = {"inventory_hostname": "orders", "backup_agent_host": value, "backup_cluster": value}
    assert ("", "") == (machine_of(its), cluster_of(its))
