# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of modules that say where a job is and how it is reached, from the variables of its host. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Undefined

#: The variables of a host, as hostvars has them.
Variables = Mapping[str, Any]
Options = dict[str, Any]

CONTROLLER = "controller"
"""Where the jobs are read that have no agent."""

# What holds for a job that says nothing else: the defaults of roles are not in hostvars.
_PROVIDER = "embedded"
_AGENT_DIRECTORY = "/opt/backup-agent"
_CONFIG_DIRECTORY = "/etc/backup-agent"
_MIN_WINDOW_HOURS = 24
_THRESHOLDS: Mapping[str, Mapping[str, float]] = {
    "slack_minutes": {"warning": 720, "critical": 120},
    "proven_age_hours": {"warning": 744},
}

#: The option of ops_manager, and the variable that it has besides backup_ops_manager.
_OPS_MANAGER = {
    "url": "backup_ops_manager_url",
    "public_key": "backup_ops_manager_public_key",
    "private_key": "backup_ops_manager_private_key",
    "project": "backup_ops_manager_project",
    "cluster": "backup_ops_manager_cluster",
    "method": "backup_method",
    "confirm_snapshot_loss": "backup_confirm_snapshot_loss",
    "sync_source": "backup_sync_source",
    "hand_off_minutes": "backup_hand_off_minutes",
    "feature_compatibility_version": "backup_feature_compatibility_version",
    "allow_fcv_4_2": "backup_allow_fcv_4_2",
    "scratch_directory": "backup_scratch_directory",
    "mongod": "backup_mongod",
}


def variable(its: Variables, name: str, default: Any = None) -> Any:
    """Return a variable of a host.

    The default stands in for one that is not set, and for a template that names something that is not set: that may be a
    default of a role, and one job must not hide the others.
    """
    found = its.get(name, default)
    return default if isinstance(found, Undefined) else found


def name_of(its: Variables) -> str:
    """Return the name of the job, which is that of its host where it has no other."""
    return str(variable(its, "backup_job", variable(its, "inventory_hostname")))


def machine_of(its: Variables) -> str:
    """Return the machine of the agent of the job; empty where it has none."""
    return str(variable(its, "backup_agent_host") or "")


def job_options(its: Variables) -> Options:
    """Return the job as those modules take it that look at many (option jobs)."""
    vendor = ops_manager_options(its)
    job = {
        "name": name_of(its),
        "machine": machine_of(its) or CONTROLLER,
        "cluster": variable(its, "backup_cluster"),
        "min_hours": variable(its, "check_min_window_hours", _MIN_WINDOW_HOURS),
        "thresholds": _thresholds(its, bool(vendor)),
        **(_source(its) if variable(its, "backup_source_uri") else {}),
        **({"provider": "ops_manager", "ops_manager": vendor} if vendor else _agent(its) if machine_of(its) else {}),
    }
    return known(job)


def _thresholds(its: Variables, is_vendors: bool) -> Mapping[str, Any]:
    own = variable(its, "check_thresholds", {})
    if is_vendors:
        return dict(own)
    return _merged(_THRESHOLDS, own) if machine_of(its) else {}


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the limits of both; of one measure each limit counts for itself."""
    return {
        **base,
        **{key: {**base.get(key, {}), **value} if isinstance(value, Mapping) else value for key, value in own.items()},
    }


def _source(its: Variables) -> Options:
    tls = variable(its, "backup_source_tls") or {}
    return {
        "login_uri": variable(its, "backup_source_uri"),
        "login_user": variable(its, "backup_source_username") or None,
        "login_password": variable(its, "backup_source_password") or None,
        "login_database": variable(its, "backup_source_auth_source", "admin"),
        "auth_mechanism": variable(its, "backup_source_auth_mechanism") or None,
        "tls": bool(tls),
        "tls_ca_file": tls.get("ca_file"),
        "tls_certificate_key_file": tls.get("certificate_key_file"),
    }


def _agent(its: Variables) -> Options:
    program = f"{variable(its, 'backup_agent_directory', _AGENT_DIRECTORY)}/venv/bin/backup-agent"
    config = f"{variable(its, 'backup_agent_config_directory', _CONFIG_DIRECTORY)}/{name_of(its)}.yml"
    return {
        "provider": variable(its, "backup_provider", _PROVIDER),
        "agent_command": variable(its, "backup_agent_command", program),
        "agent_config": variable(its, "backup_agent_config", config),
    }


def ops_manager_options(its: Variables) -> Options:
    """Return the option ops_manager of the modules; empty for a job of another provider."""
    if variable(its, "backup_provider") != "ops_manager":
        return {}
    own = {option: variable(its, name) for option, name in _OPS_MANAGER.items()}
    own["cluster"] = variable(its, _OPS_MANAGER["cluster"], variable(its, "backup_replica_set", name_of(its)))
    return {**variable(its, "backup_ops_manager", {}), **known(own)}


def known(options: Mapping[str, Any]) -> Options:
    """Return the options or variables that have a value."""
    return {name: value for name, value in options.items() if value is not None}
