# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of modules that say where a job is and how it is reached, from the variables of its host. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Undefined, UndefinedError

from ..module_utils.errors import FixInput, bad_option

#: The variables of a host, as hostvars has them.
Variables = Mapping[str, Any]
Options = dict[str, Any]

CONTROLLER = "controller"
"""Where the jobs are read that have no agent."""

_NOT_DEFINED = re.compile(r"'\w+' is undefined")

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

    The default stands in for one that is not set, and for one with a template that fails, at any depth: it may name a default of
    a role, and one job must not hide the others.
    """
    try:
        return readable(its, name, default)
    except FixInput:
        return default


def readable(its: Variables, name: str, default: Any = None) -> Any:
    """Return a variable of a host, or the default where it is not set. Raises FixInput for a template in it that fails."""
    try:
        found = its.get(name, default)
        _render(found)
    except UndefinedError as error:
        # Whatever else a template says could quote a secret.
        said = str(error) if _NOT_DEFINED.fullmatch(str(error)) else "a template that fails"
        raise bad_option(
            f"a value of {name}", said, "set it in the inventory: defaults of roles do not count here"
        ) from None
    return found


def _render(value: Any) -> None:
    """Raise UndefinedError where a template fails; it does so only when its value is looked at."""
    if isinstance(value, Undefined):
        str(value)
    elif isinstance(value, (Mapping, list, tuple)):
        for part in value.values() if isinstance(value, Mapping) else value:
            _render(part)


def name_of(its: Variables) -> str:
    """Return the name of the job, which is that of its host where it has no other."""
    return str(variable(its, "backup_job", variable(its, "inventory_hostname")))


def machine_of(its: Variables) -> str:
    """Return the machine of the agent of the job; empty where it has none."""
    return str(variable(its, "backup_agent_host") or "")


def cluster_of(its: Variables) -> str:
    """Return the cluster that the job is a part of; empty where it is one by itself."""
    return str(variable(its, "backup_cluster") or "")


def identity(its: Variables) -> Options:
    """Return what is known of each job, whatever templates of it fail."""
    return {"name": name_of(its), "machine": machine_of(its) or CONTROLLER, "cluster": cluster_of(its) or None}


def job_options(its: Variables) -> Options:
    """Return the job as those modules take it that look at many (option jobs). Raises FixInput for a template that fails."""
    for name in ("backup_job", "backup_agent_host", "backup_cluster"):
        readable(its, name)
    vendor = ops_manager_options(its)
    job = {
        **identity(its),
        "min_hours": readable(its, "check_min_window_hours", _MIN_WINDOW_HOURS),
        "thresholds": _thresholds(its, bool(vendor)),
        **(_source(its) if readable(its, "backup_source_uri") else {}),
        **({"provider": "ops_manager", "ops_manager": vendor} if vendor else _agent(its) if machine_of(its) else {}),
    }
    return known(job)


def _thresholds(its: Variables, is_vendors: bool) -> Mapping[str, Any]:
    own = readable(its, "check_thresholds", {})
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
    tls = readable(its, "backup_source_tls") or {}
    return {
        "login_uri": readable(its, "backup_source_uri"),
        "login_user": readable(its, "backup_source_username") or None,
        "login_password": readable(its, "backup_source_password") or None,
        "login_database": readable(its, "backup_source_auth_source", "admin"),
        "auth_mechanism": readable(its, "backup_source_auth_mechanism") or None,
        "tls": bool(tls),
        "tls_ca_file": tls.get("ca_file"),
        "tls_certificate_key_file": tls.get("certificate_key_file"),
        "plaintext": readable(its, "backup_source_plaintext") or None,
        "hosts": readable(its, "backup_source_hosts") or None,
    }


def _agent(its: Variables) -> Options:
    program = f"{readable(its, 'backup_agent_directory', _AGENT_DIRECTORY)}/venv/bin/backup-agent"
    config = f"{readable(its, 'backup_agent_config_directory', _CONFIG_DIRECTORY)}/{name_of(its)}.yml"
    return {
        "provider": readable(its, "backup_provider", _PROVIDER),
        "agent_command": readable(its, "backup_agent_command", program),
        "agent_config": readable(its, "backup_agent_config", config),
    }


def ops_manager_options(its: Variables) -> Options:
    """Return the option ops_manager of the modules; empty for a job of another provider. Raises FixInput."""
    if readable(its, "backup_provider") != "ops_manager":
        return {}
    own = {option: readable(its, name) for option, name in _OPS_MANAGER.items()}
    own["cluster"] = readable(its, _OPS_MANAGER["cluster"], readable(its, "backup_replica_set", name_of(its)))
    return {**readable(its, "backup_ops_manager", {}), **known(own)}


def known(options: Mapping[str, Any]) -> Options:
    """Return the options or variables that have a value."""
    return {name: value for name, value in options.items() if value is not None}
