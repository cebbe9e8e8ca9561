# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Argument specifications as values."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import JOB, Arguments

ONE = Arguments(options={"a": {"type": "str"}}, required_if=(("a", "x", ("b",)),))


class TestMerge:
    def test_joins_options_and_rules(self) -> None:
        """A rule that got lost in a merge would let bad input through."""
        merged = ONE.merge(Arguments(options={"b": {}}, required_if=(("b", "y", ("a",)),)))
        assert ["a", "b"] == sorted(merged.options)
        assert (("a", "x", ("b",)), ("b", "y", ("a",))) == merged.required_if

    def test_refuses_an_option_twice(self) -> None:
        """Which of two definitions wins must never be a matter of order."""
        with pytest.raises(ValueError, match="options defined twice: a"):
            ONE.merge(ONE)


class TestModuleArguments:
    def test_hands_out_copies(self) -> None:
        """AnsibleModule adds its own keys to the options, which must not leak into the shared value."""
        JOB.module_arguments()["argument_spec"]["provider"]["type"] = "int"
        assert "str" == JOB.options["provider"]["type"]
        JOB.module_arguments()["argument_spec"]["ops_manager"]["options"]["url"]["type"] = "int"
        assert "str" == JOB.options["ops_manager"]["options"]["url"]["type"]

    def test_always_supports_check_mode(self) -> None:
        """Every module of this collection does."""
        assert JOB.module_arguments()["supports_check_mode"] is True
