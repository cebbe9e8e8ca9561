# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request and its answers, as the role has them."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.maintenance.request import Answers, Request, reason_of

from .asked import answers, request


def test_numbers_may_be_text() -> None:
    """What is given on a command line is."""
    given = {**asdict(request()), "minutes": "0.5", "vendors": ["a", "b"], "extra": 1}
    assert request(minutes=0.5, vendors=("a", "b")) == Request.of(given)


def test_so_may_booleans_and_lists() -> None:
    """The text false is not true, and the text db1 is no list of letters."""
    given = {**asdict(request(stop_agents=False)), "force": "false", "snapshot": "no", "stop_agents": "off"}
    assert request(stop_agents=False, vendors=("db1",)) == Request.of({**given, "vendors": "db1", "touched": ""})
    with pytest.raises(TypeError, match="'perhaps' is not a valid boolean"):
        Request.of({**given, "force": "perhaps"})


def test_all_of_a_request_is_needed() -> None:
    """A name that was forgotten is no default."""
    given = asdict(request())
    del given["owner"]
    with pytest.raises(KeyError, match="owner"):
        Request.of(given)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
@pytest.mark.parametrize("name", ["vendors", "touched"])
def test_the_controller_has_no_agents_of_a_vendor(name: str, host: str) -> None:
    """The commands that stop and start them would be run there."""
    given = {**asdict(request()), name: ["db1", host]}
    with pytest.raises(FixInput, match=f"Expected hosts of the vendor's agents.*, found {host}, the controller; give"):
        Request.of(given)


def test_commands() -> None:
    """They can be typed as they are."""
    asked = request()
    assert (
        "ansible-playbook -i hosts mongodb_ops.backup.maintenance_end -e maintenance_hosts=orders-host"
        == asked.command("maintenance_end")
    )
    assert "-e backup_owner='anna and ben'" == asked.as_owner("anna and ben")


def test_answers_that_are_missing() -> None:
    """Tasks that were skipped, or whose machine was not reached, know nothing."""
    found = Answers.of({"read": {"msg": "no route", "unreachable": True}, "gate": {"jobs": None}, "asked": None})
    assert ({}, {}, {}, {}) == (found.status, found.record, found.gate_job, found.asked)
    assert (True, False) == (found.runs_agents, found.fact("mutes_alerts"))
    assert answers().runs_agents


@pytest.mark.parametrize(
    ("result", "said"), [({"msg": " no.\n"}, "no"), ({"msg": None}, "no reason was given"), ({}, "no reason was given")]
)
def test_why_a_task_failed(result: dict[str, str], said: str) -> None:
    """In its own words, where it has any."""
    assert said == reason_of(result)
