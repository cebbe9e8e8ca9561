# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specifications as values that can be merged, rules included."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from typing import Any

from .ops_manager.api import arguments as ops_manager


@dataclass(frozen=True)
class Arguments:
    """Options of a module together with the rules between them."""

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_together: tuple[tuple[str, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[Any, ...], ...] = ()

    def merge(self, other: Arguments) -> Arguments:
        """Return the options and rules of both; an option that both define is a mistake in the module."""
        twice = sorted(set(self.options) & set(other.options))
        if twice:
            raise ValueError(f"options defined twice: {', '.join(twice)}")
        rules = {name: getattr(self, name) + getattr(other, name) for name in self._rules()}
        return Arguments(options={**self.options, **other.options}, **rules)

    def extended(self, **more: Any) -> Arguments:
        """Return the same with more options and rules, given as the fields of `Arguments`."""
        return self.merge(Arguments(**more))

    def module_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for AnsibleModule; every module of this collection supports check mode."""
        spec = deepcopy(dict(self.options))
        rules = {name: list(getattr(self, name)) for name in self._rules()}
        return {"argument_spec": spec, "supports_check_mode": True, **rules}

    @classmethod
    def _rules(cls) -> list[str]:
        return [item.name for item in fields(cls) if item.name != "options"]


#: How to call Ops Manager.
OPS_MANAGER = Arguments(options={"ops_manager": ops_manager.OPTION})

#: How to call the agent, or what is in its place. For what can also be done without a job on this host.
AGENT = Arguments(
    options={
        "provider": {"type": "str", "default": "embedded"},
        "agent_command": {"type": "str", "default": "backup-agent"},
        "agent_config": {"type": "path"},
    },
).merge(OPS_MANAGER)

#: Options of every module that works on a job through a provider.
JOB = AGENT.extended(
    required_if=(
        ("provider", "embedded", ("agent_config",)),
        ("provider", "ops_manager", ("ops_manager",)),
    )
)

#: Options of operation_info. Its action plugin acts on them on the controller; the module knows them to document them.
FOLLOWING: dict[str, dict[str, Any]] = {
    "operation": {"type": "str"},
    "follow": {"type": "bool", "default": False},
    "until_step": {"type": "str"},
    "after_step": {"type": "str"},
    "carry_on": {"type": "bool", "default": False},
    "poll_seconds": {"type": "float", "default": 2},
    "unreachable_grace_seconds": {"type": "int", "default": 600},
    "follow_timeout_seconds": {"type": "int", "default": 0},
}
