# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The providers by name: the one place that knows which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..arguments import Arguments
from ..errors import FixInput, sentence
from ..outcome import Outcome, run_module
from .base import Provider, Runner
from .embedded import Embedded
from .ops_manager import OpsManager

_PROVIDERS: Mapping[str, Callable[[Mapping[str, Any], Runner, bool], Provider]] = {
    "embedded": Embedded,
    "ops_manager": OpsManager,
}


def provider_for(params: Mapping[str, Any], runner: Runner, check_mode: bool) -> Provider:
    """Build the provider that the parameters name."""
    name = params["provider"]
    if name not in _PROVIDERS:
        known = ", ".join(sorted(_PROVIDERS))
        remedy = "set provider to one of these; others are not part of this version"
        message = sentence(expected=f"a provider of this version ({known})", found=str(name), remedy=remedy)
        raise FixInput(message, code="unknown_provider")
    return _PROVIDERS[name](params, runner, check_mode)


def run_with_provider(arguments: Arguments, run: Callable[[AnsibleModule, Provider], Outcome]) -> None:
    """Do what a module is for with the provider of its job."""
    run_module(arguments, lambda module: run(module, _provider_of(module)))


def _provider_of(module: AnsibleModule) -> Provider:
    """Build the provider of an Ansible module. A command that is missing raises instead of ending the module."""
    return provider_for(
        module.params, lambda command: module.run_command(command, handle_exceptions=False), module.check_mode
    )
