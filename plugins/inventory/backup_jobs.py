# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs and their members, as a replica set or the config servers of a cluster know them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: backup_jobs
short_description: Finds backup jobs and database hosts by asking MongoDB
version_added: 0.1.0
description:
  - Asks a replica set for its members, or the config servers of a sharded cluster for its shards and their members.
  - Each replica set is a job in the group C(backup_jobs), with the variables that the playbooks of this collection take. Each
    member is a host in the group C(mongod_hosts). Both are put into groups by cluster (C(cluster_…)), by shard (C(shard_…)), by
    the state of the member (C(state_…)) and by its tags (C(tag_…)).
  - Says nothing about who makes the backups. A job gets C(backup_agent_host) and its other variables from C(group_vars) or
    C(host_vars), or by O(compose).
  - The credentials are used for asking only. They are neither cached nor put into variables.
  - How a job's machine speaks TLS is not found out. Set C(backup_source_tls) in C(group_vars), with the paths on that machine.
  - A shard that does not answer still is a job, with the addresses that the config servers have. There is a warning.
  - The file has to end with C(backup_jobs.yml) or C(backup_jobs.yaml).
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.login
  - constructed
  - inventory_cache
options:
  plugin:
    description:
      - Names this plugin.
    type: str
    required: true
    choices: [mongodb_ops.backup.backup_jobs]
  cluster:
    description:
      - The name of the sharded cluster. The names of its jobs begin with it. By default the name of the config servers' replica
        set is taken; a replica set alone has no cluster.
    type: str
"""

EXAMPLES = r"""
# shop.backup_jobs.yml: the config servers of a sharded cluster. Jobs shop-shard0, shop-shard1, shop-shopconfig.
plugin: mongodb_ops.backup.backup_jobs
login_uri: mongodb://cfg0.example.com,cfg1.example.com/?replicaSet=shopconfig
login_user: monitor
login_password: "{{ lookup('ansible.builtin.env', 'MONITOR_PASSWORD') }}"
tls: true
cluster: shop
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/backup_jobs
compose:
  backup_agent_host: "'backup1' if backup_shard | default('') == 'shard0' else 'backup2'"
keyed_groups:
  - key: mongodb_tags.dc
    prefix: dc
"""

from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.mongodb_ops.backup.plugins.module_utils import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.login import LOGIN, Login
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.discovery import groups_of, job, seeds_of

Host = dict[str, Any]


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Asks, or takes what the cache has, and fills the inventory."""

    NAME = "mongodb_ops.backup.backup_jobs"
    #: Whether a shard did not answer.
    _degraded = False

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(("backup_jobs.yml", "backup_jobs.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path)
        self._read_config_data(path)
        for found in self._jobs(self.get_cache_key(path), cache):
            self._add("backup_jobs", found)
            for member in found["members"]:
                self._add("mongod_hosts", member)

    def _jobs(self, key: str, cache: bool) -> list[Host]:
        """Return the jobs from the cache, or ask. A cache that is being refreshed is only written."""
        kept = self.get_option("cache")
        if kept and cache and key in self._cache:
            return list(self._cache[key])
        if not connection.HAS_PYMONGO:
            raise AnsibleParserError(
                "Expected pymongo in the Python of ansible-core, found none; install pymongo there."
            )
        try:
            jobs = self._asked()
        except BackupError as error:
            raise AnsibleParserError(error.message) from None
        # What is not whole is asked for again by the next run.
        if kept and not self._degraded:
            self._cache[key] = jobs
        return jobs

    def _asked(self) -> list[Host]:
        options = {name: self._option(name) for name in LOGIN.options}
        login = Login(options)
        with connection.described("the seed"), login.seed() as client:
            name, members = connection.members(client)
            shards = connection.shards(client)
        if shards is None:
            return [job(self._option("cluster"), None, name, members)]
        cluster = self._option("cluster") or name
        found = [self._shard(options, cluster, shard, host) for shard, host in shards.items()]
        return [*found, job(cluster, None, name, members)]

    def _shard(self, options: dict[str, Any], cluster: str, shard: str, host: str) -> Host:
        """Ask a shard for its members; if it does not answer, the config servers' addresses have to do."""
        try:
            name, addresses = seeds_of(host)
        except ValueError as error:
            # An inventory without one of the shards would pass for a cluster in good order.
            raise AnsibleParserError(f"Shard {shard} in config.shards: {error}; correct it there.") from None
        # The credentials of a URI belong to every shard as well.
        login = Login(options).at(f"mongodb://{addresses}/?replicaSet={name}")
        try:
            with connection.described(f"the shard {shard}"), login as client:
                _name, members = connection.members(client)
        except BackupError as error:
            self.display.warning(error.message)
            self._degraded = True
            members = [Member(address) for address in addresses.split(",")]
        return job(cluster, shard, name, members)

    def _option(self, name: str) -> Any:
        value = self.get_option(name)
        return self.templar.template(value) if isinstance(value, str) else value

    def _add(self, group: str, host: Host) -> None:
        name, variables = host["name"], host["variables"]
        for each in (group, *groups_of(variables)):
            safe = self.inventory.add_group(self._sanitize_group_name(each))
            self.inventory.add_host(name, group=safe)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)
