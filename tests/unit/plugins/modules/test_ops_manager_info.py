# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ops_manager_info."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.modules import ops_manager_info
from tests.unit.plugins.small_api import KEYS, Said, SmallApi

ID = "5a0a1e7e0f2912c554080adc"
COMMON = {"public_key": KEYS[0], "private_key": KEYS[1], "project": ID}


class TestMain:
    @pytest.mark.parametrize("check_mode", [False, True])
    def test_lists(self, run_main: Any, api: SmallApi, check_mode: bool) -> None:
        """In check mode too, and with the time that ages are computed from."""
        api.answers["GET", f"/groups/{ID}"] = Said({"id": ID, "name": "shop"})
        api.page(f"/groups/{ID}/clusters", {"id": "a4", "typeName": "REPLICA_SET", "clusterName": "orders"})
        code, result = run_main(
            ops_manager_info,
            check_mode,
            ops_manager={"url": api.url, **COMMON},
            gather=["clusters"],
            provider="ops_manager",
        )
        assert (0, False) == (code, result["changed"])
        assert [("shop", "orders", None)] == [(c["project_name"], c["name"], c["shard"]) for c in result["clusters"]]
        assert result["server_time"].endswith("Z")
        assert "alerts" not in result

    def test_refused(self, run_main: Any, api: SmallApi) -> None:
        """The error of the API is that of the module, without the key."""
        api.answers["GET", f"/groups/{ID}/clusters"] = Said(
            {"errorCode": "NOT_IN_GROUP", "reason": "Unauthorized"}, 401
        )
        code, result = run_main(ops_manager_info, ops_manager={"url": api.url, **COMMON})
        assert (1, "not_in_group", False) == (code, result["error"]["code"], result["error"]["retry"])
        assert KEYS[1] not in str(result["error"])

    def test_without_the_option(self, run_main: Any) -> None:
        """There is no place that could be guessed."""
        code, result = run_main(ops_manager_info)
        assert (1, True) == (code, "ops_manager" in result["msg"])
