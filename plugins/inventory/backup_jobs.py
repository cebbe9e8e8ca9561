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
  - The plugin does not know who makes the backups. A job gets C(backup_agent_host) and its other variables from
    C(group_vars), C(host_vars) or O(compose).
  - The plugin uses the credentials only to ask. It neither caches them nor puts them into variables.
  - The plugin cannot discover the TLS settings of a job's machine. Set C(backup_source_tls) in C(group_vars), with the
    paths on that machine.
  - A shard that does not answer is still a job, with the addresses that the config servers have. The plugin warns
    about it.
  - A name that is one of the controller, of a group, or of a host that is not in the same one of these groups is refused, and
    nothing is added then. Another source that adds variables to a job lists it in C(backup_jobs).
  - The name of the file has to end with C(backup_jobs.yml) or C(backup_jobs.yaml).
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
      - The name of the sharded cluster. The names of its jobs begin with it. The default is the name of the config
        servers' replica set. A single replica set has no cluster.
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
from urllib.parse import quote

from ansible.errors import AnsibleParserError

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.login import LOGIN, Login
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import Member
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.discovery import job, seeds_of
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.jobs_inventory import Host, JobsInventory


class InventoryModule(JobsInventory):
    """Asks MongoDB."""

    NAME = "mongodb_ops.backup.backup_jobs"
    ENDINGS = ("backup_jobs.yml", "backup_jobs.yaml")

    def _asked(self) -> list[Host]:
        if not connection.HAS_PYMONGO:
            raise AnsibleParserError(
                "Expected pymongo in the Python of ansible-core, found none; install pymongo there."
            )
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
        uri = f"mongodb://{addresses}/?replicaSet={quote(name, safe='')}"
        try:
            with connection.described(f"the shard {shard}"), Login(options).at(uri) as client:
                _name, members = connection.members(client)
        except BackupError as error:
            self.display.warning(error.message)
            self._degraded = True
            members = [Member(address) for address in addresses.split(",")]
        return job(cluster, shard, name, members)
