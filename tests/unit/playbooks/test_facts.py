# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of machines are no variables: every playbook looks first, and what we configure has it so."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
#: They are for an emergency, and for monitoring that must not stop.
GO_ON = {"check", "restore"}
LOOK = "parts/facts.yml"


def first_play(playbook: Path) -> dict[str, Any]:
    """Return the first play of a playbook, also where that is the one of another."""
    first: dict[str, Any] = yaml.safe_load(playbook.read_text())[0]
    named = first.get("ansible.builtin.import_playbook", LOOK)
    return first if named == LOOK else first_play(playbook.parent / named)


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_playbook_looks_first(playbook: Path) -> None:
    """Before a module runs on any machine; two go on with a warning."""
    first = first_play(playbook)
    assert LOOK == first["ansible.builtin.import_playbook"]
    assert (playbook.stem in GO_ON) == first.get("vars", {}).get("facts_only_warn", False)


def test_the_look_runs_with_all_tags_and_asks_no_machine() -> None:
    """A run with --tags looks as well; a limit leaves some host to look on."""
    (play,) = yaml.safe_load((ROOT / "playbooks" / LOOK).read_text())
    assert (["always"], "all:localhost", False) == (play["tags"], play["hosts"], play["gather_facts"])
    assert ["ansible.builtin.assert"] == [word for task in play["tasks"] for word in task if "." in word]


def test_what_we_configure_has_it_so() -> None:
    """The checkout, the image that AWX runs, and the machines of the tests."""
    checkout = configparser.ConfigParser()
    checkout.read(ROOT / "ansible.cfg")
    assert "false" == checkout["defaults"]["inject_facts_as_vars"]
    image = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["additional_build_steps"]["append_final"]
    assert "ENV ANSIBLE_INJECT_FACT_VARS=false" in image
    machines = yaml.safe_load((ROOT / ".config/molecule/config.yml").read_text())
    assert machines["provisioner"]["config_options"]["defaults"]["inject_facts_as_vars"] is False
