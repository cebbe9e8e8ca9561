# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option ops_manager, against its documentation and as modules take it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from ansible_collections.mongodb_ops.backup.plugins.doc_fragments import job, jobs, ops_manager
from ansible_collections.mongodb_ops.backup.plugins.module_utils.fleet import JOBS
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.arguments import OPTION
from ansible_collections.mongodb_ops.backup.plugins.modules import backup_lag_info

GIVEN = {"url": "https://om.example.com", "public_key": "a", "private_key": "secret-key"}


def _shape(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a documented option and a specified one have in common."""
    keys = ("type", "elements", "choices", "default", "required")
    return {name: {key: option.get(key) for key in keys} for name, option in options.items()}


@pytest.mark.parametrize("fragment", [ops_manager, job])
def test_documentation_has_the_same_options(fragment: Any) -> None:
    """Defaults and choices of the documentation are those that are used."""
    documented = yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]["ops_manager"]
    assert _shape(documented["suboptions"]) == _shape(OPTION["options"])


def test_each_of_many_jobs_has_it_too() -> None:
    """The option of one job and that of many do not come apart."""
    documented = yaml.safe_load(jobs.ModuleDocFragment.DOCUMENTATION)["options"]["jobs"]["suboptions"]
    assert _shape(documented["ops_manager"]["suboptions"]) == _shape(OPTION["options"])
    assert JOBS.options["jobs"]["options"]["ops_manager"]["options"] == OPTION["options"]
    text = yaml.safe_dump(documented["ops_manager"])
    assert "O(jobs[].ops_manager.method)" not in text
    assert "O(jobs[].ops_manager.confirm_snapshot_loss=true)" in text


def test_is_required_of_its_provider(run_main: Any) -> None:
    """A job of Ops Manager cannot do without."""
    code, result = run_main(backup_lag_info, provider="ops_manager")
    assert (1, True) == (code, "ops_manager" in result["msg"])


def test_a_key_file_needs_its_certificate(run_main: Any) -> None:
    """A key alone would be passed over without a word."""
    options = {**GIVEN, "client_key_file": "/tmp/key.pem"}
    code, result = run_main(backup_lag_info, provider="ops_manager", ops_manager=options)
    assert (1, True) == (code, "client_certificate_file" in result["msg"])


def test_the_private_key_is_not_shown(run_main: Any) -> None:
    """Not even where a module fails and prints what it was given."""
    code, result = run_main(backup_lag_info, provider="ops_manager", ops_manager={**GIVEN, "method": "other"})
    assert 1 == code
    assert "secret-key" not in str(result)
