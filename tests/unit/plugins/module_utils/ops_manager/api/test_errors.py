# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API refuses, in words."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.errors import ApiError, Refusal


@pytest.mark.parametrize(
    ("code", "retry", "remedy", "refusal"),
    [
        ("no_answer", True, "the way there", Refusal("GET", "/a")),
        ("http_503", True, "the proxy before it", Refusal("GET", "/a", 503)),
        ("rate_limited", True, "again in 60 s", Refusal("GET", "/a", 429, "RATE_LIMITED", retry_after_seconds=60.0)),
        ("http_401", False, "check the pair", Refusal("GET", "/a", 401)),
        ("not_in_group", False, "Project Backup Admin", Refusal("GET", "/a", 401, "NOT_IN_GROUP")),
        ("ip_address_not_on_whitelist", False, "access list", Refusal("PATCH", "/a", 403, "IP_ADDRESS_NOT_ON_WHITELIST")),
        ("cannot_modify_shard_backup_config", False, "whole sharded cluster",
         Refusal("PATCH", "/a", 409, "CANNOT_MODIFY_SHARD_BACKUP_CONFIG")),
        ("something_new", False, "do what the answer says", Refusal("GET", "/a", 400, "SOMETHING_NEW")),
        ("something_new", True, "run it again", Refusal("GET", "/a", 500, "SOMETHING_NEW")),
    ],
)  # fmt: skip
def test_code_and_remedy(code: str, retry: bool, remedy: str, refusal: Refusal) -> None:
    """The error says whether to wait, and what to do."""
    error = ApiError(refusal)
    assert (code, retry) == (error.code, error.retry)
    assert remedy in error.message
    assert error.failure()["error"]["retry"] is retry


def test_sentence() -> None:
    """One line, with what the API said in it once."""
    refusal = Refusal("PATCH", "/groups/1/backupConfigs/2", 409, "MISSING_SYNC_SOURCE", "Conflict", "A sync source.")
    expected = (
        "Expected Ops Manager to answer PATCH /groups/1/backupConfigs/2, found HTTP 409 MISSING_SYNC_SOURCE"
        " (A sync source); set ops_manager.sync_source."
    )
    assert expected == ApiError(refusal).message


def test_what_is_wrong_for_good_is_not_tried_again() -> None:
    """A certificate does not become right by waiting."""
    assert ApiError(Refusal("GET", "/a"), code="certificate_refused", remedy="set it").retry is False
