# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory plugins for backup jobs share: asking or taking what the cache has, and filling the inventory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils.errors import BackupError
from .discovery import JOBS, MEMBERS, groups_of, require_new

Host = dict[str, Any]


class JobsInventory(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc] # ansible-core ships no types
    """Fills the groups of jobs and of members from what a plugin has found."""

    #: How the names of the plugin's files end.
    ENDINGS: tuple[str, ...] = ()
    #: Whether something did not answer, so that what was found is not whole.
    _degraded = False

    def verify_file(self, path: str) -> bool:
        """Say whether the file is one of this plugin."""
        return bool(super().verify_file(path)) and path.endswith(self.ENDINGS)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path)
        self._read_config_data(path)
        jobs = self._jobs(self.get_cache_key(path), cache)
        named = [(JOBS, job) for job in jobs] + [(MEMBERS, member) for job in jobs for member in job["members"]]
        self._require_new(named)
        for group, host in named:
            self._add(group, host)

    def _require_new(self, named: Sequence[tuple[str, Host]]) -> None:
        """Refuse all before any is added: a name that a server chose must not lead tasks to another machine, or to this one."""
        hosts = {
            str(name): {str(group.name) for group in host.get_groups()} for name, host in self.inventory.hosts.items()
        }
        try:
            for group, host in named:
                require_new(host["name"], group, self.inventory.groups, hosts)
                hosts.setdefault(host["name"], {group})
        except BackupError as error:
            raise AnsibleParserError(error.message) from None

    def _asked(self) -> list[Host]:
        """Return the jobs with their members as plain values, without secrets: they go into the cache."""
        raise NotImplementedError

    def _own_groups(self, _variables: Mapping[str, Any]) -> list[str]:
        """Return the groups that only this plugin knows."""
        return []

    def _own_variables(self, _group: str) -> dict[str, Any]:
        """Return variables that belong to this controller, and so into no cache."""
        return {}

    def _jobs(self, key: str, cache: bool) -> list[Host]:
        """Return the jobs from the cache, or ask. A cache that is being refreshed is only written."""
        kept = self.get_option("cache")
        if kept and cache and key in self._cache:
            return list(self._cache[key])
        try:
            jobs = self._asked()
        except BackupError as error:
            raise AnsibleParserError(error.message) from None
        # What is not whole is asked for again by the next run.
        if kept and not self._degraded:
            self._cache[key] = jobs
        return jobs

    def _option(self, name: str) -> Any:
        value = self.get_option(name)
        return self.templar.template(value) if isinstance(value, str) else value

    def _add(self, group: str, host: Host) -> None:
        name, variables = host["name"], {**host["variables"], **self._own_variables(group)}
        for each in (group, *groups_of(variables), *self._own_groups(variables)):
            safe = self.inventory.add_group(self._sanitize_group_name(each))
            self.inventory.add_host(name, group=safe)
        for key, value in variables.items():
            # A name or a tag of a server must not be run as a template on the controller.
            self.inventory.set_variable(name, key, wrap_var(value))
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)
