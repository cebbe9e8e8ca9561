# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory plugins share: the cache, and values of a server that are no templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import RetryLater
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.jobs_inventory import JobsInventory


class Plugin(JobsInventory):
    """Finds what a test says, with the options that a test gives."""

    NAME = "test"
    ENDINGS = ("jobs.yml",)

    def __init__(self, found: Any, **options: Any) -> None:
        super().__init__()
        self.asked = 0
        self._found = found
        self._given = {"cache": False, "strict": False, "compose": {}, "groups": {}, "keyed_groups": [], **options}

    def get_option(self, option: str, _hostvars: Any = None) -> Any:
        return self._given[option]

    def _read_config_data(self, path: str) -> None:
        """There is nothing in the file."""

    def get_cache_key(self, _path: str) -> str:
        return "key"

    def _asked(self) -> list[Any]:
        self.asked += 1
        if isinstance(self._found, Exception):
            raise self._found
        return list(self._found)

    def _own_variables(self, _group: str) -> dict[str, Any]:
        return {"own": _group}


JOB = {"name": "a", "variables": {"backup_cluster": "{{ 7 * 6 }}"}, "members": [{"name": "h_1", "variables": {}}]}


def filled(plugin: Plugin, cache: bool = True, data: InventoryData | None = None) -> InventoryData:
    data = data or InventoryData()
    plugin.parse(data, DataLoader(), "x.jobs.yml", cache)
    return data


def test_fills() -> None:
    """Jobs and members into their groups, with what the plugin adds."""
    data = filled(Plugin([JOB]))
    assert "backup_jobs" == data.get_host("a").vars["own"]
    assert ["h_1"] == [host.name for host in data.groups["mongod_hosts"].hosts]


def test_a_name_of_a_server_is_no_template() -> None:
    """Who may name a cluster must not run code on the controller."""
    variables = filled(Plugin([JOB])).get_host("a").vars
    found = Templar(loader=DataLoader(), variables=variables).template(variables["backup_cluster"])
    assert "{{ 7 * 6 }}" == found


def test_cache() -> None:
    """Asked once, again to refresh; what the controller adds is not in it."""
    plugin = Plugin([JOB], cache=True)
    plugin._cache = {}
    filled(plugin)
    filled(plugin)
    assert (1, [JOB]) == (plugin.asked, plugin._cache["key"])
    filled(plugin, cache=False)
    assert 2 == plugin.asked


def test_what_is_not_whole_is_not_cached() -> None:
    """The next run asks again."""
    plugin = Plugin([JOB], cache=True)
    plugin._cache, plugin._degraded = {}, True
    filled(plugin)
    assert {} == plugin._cache


def test_error() -> None:
    """In the words of the error, not as a traceback."""
    with pytest.raises(AnsibleParserError, match="not there"):
        filled(Plugin(RetryLater("not there", code="x")))


@pytest.mark.parametrize(("expected", "name"), [(True, "a.jobs.yml"), (False, "a.yml")])
def test_files(tmp_path: Path, expected: bool, name: str) -> None:
    """A file of another plugin is left alone."""
    path = tmp_path / name
    path.write_text("")
    assert expected is Plugin([]).verify_file(str(path))


def with_host(name: str, *groups: str) -> InventoryData:
    """Return an inventory that another source has filled."""
    data = InventoryData()
    for group in groups:
        data.add_group(group)
        data.add_host(name, group=group)
    return data


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("the controller", name) for name in ("localhost", "127.0.0.1", "::1")),
        *(
            ("a group of the inventory", name)
            for name in ("all", "ungrouped", "backup_jobs", "mongod_hosts", "backup_agent_hosts")
        ),
        ("a host of the inventory that is not in", "backup1"),
    ],
)
@pytest.mark.parametrize("members", [False, True])
def test_a_server_does_not_become_another_host(kind: str, name: str, members: bool) -> None:
    """A set or a member that is named so: tasks for its job would be run there. Nothing of its source is added."""
    data = with_host("backup1", "backup_agent_hosts")
    other = {"name": name, "variables": {"ansible_host": "evil"}, "members": []}
    found = [JOB, {"name": "b", "variables": {}, "members": [other]} if members else other]
    with pytest.raises(AnsibleParserError, match=f"with a name of its own, found {name}, {kind}"):
        filled(Plugin(found), data=data)
    assert ["backup1"] == list(data.hosts)
    assert "ansible_host" not in data.get_host("backup1").vars


def test_a_job_and_a_member_are_not_one_host() -> None:
    """A set may be called like a member of it or of another."""
    members = {"name": "b", "variables": {}, "members": [{"name": "a", "variables": {}}]}
    for found in ([JOB, members], [members, JOB], [{**JOB, "members": [JOB]}]):
        with pytest.raises(AnsibleParserError, match="found a, a host of the inventory that is not in mongod_hosts"):
            filled(Plugin(found))


def test_another_source_may_add_to_a_job_and_a_member() -> None:
    """It lists them in the same groups, and in others of its own."""
    data = with_host("a", "nightly", "backup_jobs")
    data.add_group("mongod_hosts")
    data.add_host("h_1", group="mongod_hosts")
    data.set_variable("a", "backup_agent_host", "backup1")
    variables = filled(Plugin([JOB]), data=filled(Plugin([JOB]), data=data)).get_host("a").vars
    assert ("backup1", "backup_jobs") == (variables["backup_agent_host"], variables["own"])
