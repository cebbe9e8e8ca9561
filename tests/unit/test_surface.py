# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is offered to users is documented and tested: checks over the whole tree."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "mongodb_ops.backup"
MODULES = sorted((ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path for path in (ROOT / "roles").glob("*") if path.is_dir())
#: What takes no job, or many.
WITHOUT_A_JOB = {"oplog_size", "oplog_window_info", "backup_check_info", "maintenance_gate"}


def constants(path: Path) -> dict[str, Any]:
    """Return the constants of a Python file that are plain strings, without running it."""
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assign))
    return {
        node.targets[0].id: node.value.value
        for node in found
        if isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant)
    }


def load(path: Path, name: str) -> Any:
    """Return the YAML of one of the documentation constants of a module."""
    return yaml.safe_load(constants(path)[name])


def documented(path: Path, section: str) -> dict[str, Any]:
    """Return the options or the attributes of a module, those of its doc fragments included."""
    documentation = load(path, "DOCUMENTATION")
    found = dict(documentation.get(section) or {})
    for fragment in documentation["extends_documentation_fragment"]:
        name, _dot, part = fragment.removeprefix(f"{NAMESPACE}.").partition(".")
        loaded = importlib.import_module(f"ansible_collections.{NAMESPACE}.plugins.doc_fragments.{name}")
        text = getattr(loaded.ModuleDocFragment, (part or "documentation").upper())
        for key, value in (yaml.safe_load(text).get(section) or {}).items():
            found[key] = {**value, **found.get(key, {})}
    return found


def integration_texts() -> str:
    """Return all integration tests and the playbooks that users and tests run."""
    folders = (ROOT / "tests/integration", ROOT / "playbooks", ROOT / "roles")
    files = (path for folder in folders for suffix in ("py", "yml") for path in folder.rglob(f"*.{suffix}"))
    return "\n".join(path.read_text() for path in files)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
class TestModule:
    def test_is_named_as_documented(self, module: Path) -> None:
        """The documentation of one module copied to another is detected."""
        assert module.stem == load(module, "DOCUMENTATION")["module"]

    def test_supports_check_mode(self, module: Path) -> None:
        """Every module of this collection does, and says so."""
        assert "full" == documented(module, "attributes")["check_mode"]["support"]

    def test_examples_use_options_that_exist(self, module: Path) -> None:
        """An example that cannot run is worse than none."""
        tasks = load(module, "EXAMPLES")
        own = [task[f"{NAMESPACE}.{module.stem}"] for task in tasks if f"{NAMESPACE}.{module.stem}" in task]
        assert own
        assert set() == {option for task in own for option in task} - set(documented(module, "options"))

    def test_every_returned_value_has_a_sample(self, module: Path) -> None:
        """A sample is what people write their playbooks against."""
        without = [
            name
            for name, value in load(module, "RETURN").items()
            if not {"sample", "contains"} & set(value) or not {"description", "returned", "type"} <= set(value)
        ]
        assert [] == without

    def test_has_a_unit_test(self, module: Path) -> None:
        """The unit test of a module is found where it is expected."""
        assert (ROOT / f"tests/unit/plugins/modules/test_{module.stem}.py").is_file()

    def test_has_an_integration_test(self, module: Path) -> None:
        """Every module is used, by its full name, in an integration test or in a playbook that one runs."""
        assert re.search(rf"\b{re.escape(NAMESPACE)}\.{module.stem}\b", integration_texts()), (
            "used in no integration test or playbook"
        )

    def test_action_group_is_complete(self, module: Path) -> None:
        """A module that is missing in the group would not get the common options of a play."""
        group = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]["backup"]
        assert (module.stem not in WITHOUT_A_JOB) is (module.stem in group)


class TestUtilities:
    @pytest.mark.parametrize("folder", ["module_utils", "plugin_utils", "action", "filter"])
    def test_each_has_a_unit_test(self, folder: str) -> None:
        """The tests mirror plugins/, so that a file without one is seen."""
        top = ROOT / "plugins" / folder
        tests = ROOT / "tests/unit/plugins" / folder
        files = [
            path.relative_to(top) for path in top.rglob("*.py") if "class Provider(Protocol)" not in path.read_text()
        ]
        assert files
        assert [] == [str(path) for path in files if not (tests / path.parent / f"test_{path.name}").is_file()]


@cache
def defaults_of(role: Path) -> dict[str, Any]:
    """Return the defaults of a role."""
    return yaml.safe_load((role / "defaults/main.yml").read_text()) or {}


@cache
def options_of(role: Path) -> dict[str, Any]:
    """Return the options of all entry points of a role."""
    specification = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return {name: option for entry in specification.values() for name, option in entry.get("options", {}).items()}


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
class TestRoles:
    def test_specification_covers_the_defaults(self, role: Path) -> None:
        """A variable that only one of the two knows is either undocumented or has no default that one could read."""
        options = options_of(role)
        optional = {name for name, option in options.items() if not option.get("required") and "default" in option}
        assert [] == sorted(optional - set(defaults_of(role)))

    def test_another_role_specifies_what_this_one_does_not(self, role: Path) -> None:
        """A variable that roles share is documented where it belongs, and has the same default everywhere."""
        own, others = options_of(role), [other for other in ROLES if other != role]
        for name, default in defaults_of(role).items():
            owners = [other for other in others if name in options_of(other)]
            assert name in own or {str(default)} == {str(defaults_of(other)[name]) for other in owners}, name


def yaml_of(*patterns: str) -> list[Any]:
    """Return what the YAML files hold."""
    return [DataLoader().load_from_file(str(path)) for pattern in patterns for path in ROOT.glob(pattern)]


def mappings(part: Any) -> Iterator[dict[str, Any]]:
    """Yield all mappings in tasks and plays: plays, blocks, tasks, and what these have inside."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from mappings(inner)


def test_no_fact_has_the_name_of_a_variable() -> None:
    """Facts last until the end of a run and go before variables of roles, plays, blocks and tasks: one would hide the other."""
    inside = list(mappings(yaml_of("roles/*/tasks/**/*.yml", "roles/*/handlers/**/*.yml", "playbooks/**/*.yml")))
    facts = {found["register"] for found in inside if isinstance(found.get("register"), str)}
    facts |= {name for found in inside for name in found.get("ansible.builtin.set_fact", ())}
    variables = {name for found in inside for name in found.get("vars", ())}
    variables |= {
        name for found in yaml_of("roles/*/vars/**/*.yml", "roles/*/defaults/**/*.yml") for name in found or ()
    }
    assert {"__maintenance_read", "__maintenance_outcome"} <= facts
    assert {"__maintenance_answers", "__maintenance_why", "backup_job"} <= variables
    assert set() == facts & variables
