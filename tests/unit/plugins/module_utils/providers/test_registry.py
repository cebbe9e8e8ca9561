# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Providers by name."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Facts, demand
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.registry import provider_for


class TestProviderFor:
    def test_embedded(self) -> None:
        """The default provider is built with its facts."""
        params = {"provider": "embedded", "agent_command": "x", "agent_config": "y"}
        assert "embedded" == provider_for(params, lambda _command: (0, "", ""), False).facts.name

    def test_ops_manager(self) -> None:
        """Nothing is asked of the product before a verb needs it, so its facts are there while it is away."""
        params = {"provider": "ops_manager", "ops_manager": {"url": "http://127.0.0.1:1"}}
        assert "ops_manager" == provider_for(params, lambda _command: (0, "", ""), False).facts.name

    def test_not_in_this_version(self) -> None:
        """A provider that is planned is refused by name, not half there."""
        with pytest.raises(FixInput, match=r"this version \(embedded, ops_manager\), found pbm"):
            provider_for({"provider": "pbm"}, lambda _command: (0, "", ""), False)


class TestDemand:
    def test_says_what_to_do_instead(self) -> None:
        """What a backend cannot do, the operator does, and the message says how."""
        facts = Facts(name="other", instead={"can_start_resync": "press the button on the page of the job"})
        with pytest.raises(FixInput, match="can start resync, found other; press the button"):
            demand(facts, "can_start_resync")

    def test_lets_pass(self) -> None:
        """What the backend can do is not refused."""
        assert demand(Facts(name="other", can_validate=True), "can_validate") is None
