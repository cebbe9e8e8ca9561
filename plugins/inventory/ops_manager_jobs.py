# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs and their members, as Ops Manager knows them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ops_manager_jobs
short_description: Finds backup jobs by asking Ops Manager or Cloud Manager
version_added: 0.1.0
description:
  - Asks for the clusters of one project, or of all projects that the API key sees.
  - Each cluster is a job in the group C(backup_jobs), with the variables that the playbooks of this collection take.
    Its modules run on the controller. C(backup_ops_manager_status) is the state of its backup.
  - Jobs are put into groups by project (C(project_…)), by the state of the backup (C(status_started), C(status_inactive), …), by
    cluster (C(cluster_…)) and by shard (C(shard_…)). A job C(status_inactive) is a cluster that is not backed up.
  - The plugin uses the keys only to ask. It neither caches them nor puts them into variables. The playbooks need them
    in C(group_vars).
  - When O(ops_manager) names no project, the names of jobs begin with the name of the project. When two names are
    still the same, they end with the id of the cluster.
  - A name that is one of the controller, of a group, or of a host that is no such job is refused, and nothing is added then.
    Another source that adds variables to a job lists it in C(backup_jobs).
  - The name of the file has to end with C(ops_manager_jobs.yml) or C(ops_manager_jobs.yaml).
author: The mongodb_ops.backup contributors (@mongodb-ops)
extends_documentation_fragment:
  - mongodb_ops.backup.ops_manager
  - constructed
  - inventory_cache
notes:
  - O(ops_manager) is required. Its options for resyncs have no effect here.
options:
  plugin:
    description:
      - Names this plugin.
    type: str
    required: true
    choices: [mongodb_ops.backup.ops_manager_jobs]
  jobs:
    description:
      - What becomes a job. With V(clusters) a sharded cluster is one job, because the API starts and stops only whole
        clusters.
      - With V(replica_sets) each shard is a job, and so are the config servers, as the web page resyncs them.
    type: str
    choices: [clusters, replica_sets]
    default: clusters
  members:
    description:
      - Whether the members of the clusters are put into the group C(mongod_hosts) as well.
    type: bool
    default: false
"""

EXAMPLES = r"""
# shop.ops_manager_jobs.yml: all clusters of the project shop
plugin: mongodb_ops.backup.ops_manager_jobs
ops_manager:
  url: https://opsmanager.example.com:8443
  public_key: "{{ lookup('ansible.builtin.env', 'OPS_MANAGER_PUBLIC_KEY') }}"
  private_key: "{{ lookup('ansible.builtin.env', 'OPS_MANAGER_PRIVATE_KEY') }}"
  project: shop
members: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ops_manager_jobs
"""

import sys
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import OPS_MANAGER
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.client import Client, Connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.gathering import places
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import managed_jobs
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.jobs_inventory import Host, JobsInventory


class InventoryModule(JobsInventory):
    """Asks Ops Manager."""

    NAME = "mongodb_ops.backup.ops_manager_jobs"
    ENDINGS = ("ops_manager_jobs.yml", "ops_manager_jobs.yaml")

    def _asked(self) -> list[Host]:
        options = self._checked()
        members = self.get_option("members")
        holdings = [
            managed_jobs.Holding(
                id=project.id,
                name=project.name,
                clusters=clusters,
                configs=project.backup_configs(),
                hosts=project.hosts() if members else (),
            )
            for project, clusters in places(Client(Connection.from_options(options)), options)
        ]
        return managed_jobs.jobs(holdings, self._option("jobs") == "replica_sets", not options["project"])

    def _checked(self) -> dict[str, Any]:
        """Return the option with its defaults. A module has its options checked; a plugin has to do it for a dictionary."""
        given = self.get_option("ops_manager")
        if not given:
            raise AnsibleParserError(
                "Expected the option ops_manager, found none; say there where Ops Manager is, with a key."
            )
        result = ArgumentSpecValidator(OPS_MANAGER.options).validate({"ops_manager": self._evaluated(given)})
        if result.error_messages:
            raise AnsibleParserError("; ".join(result.error_messages))
        found: dict[str, Any] = result.validated_parameters["ops_manager"]
        return found

    def _evaluated(self, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {
            name: self.templar.template(value) if isinstance(value, str) else value for name, value in given.items()
        }

    def _own_groups(self, variables: Mapping[str, Any]) -> list[str]:
        return list(managed_jobs.groups(variables))

    def _own_variables(self, group: str) -> dict[str, Any]:
        if group != "backup_jobs":
            return {}
        # The same Python that ansible_playbook_python names.
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
        }
