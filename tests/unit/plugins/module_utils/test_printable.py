# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other machines say is shown, and used as names, without harm."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import GiveUp
from ansible_collections.mongodb_ops.backup.plugins.module_utils.printable import (
    address,
    identified,
    name,
    printable,
)


class TestPrintable:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("Größe – 3 µs, 表", "Größe – 3 µs, 表"),
            ("shop.a\x1b[2J", "shop.a\\x1b[2J"),
            ("why\nverdict: ok", "why\\nverdict: ok"),
            ("a\u202eb\u2028c\x9b", "a\\u202eb\\u2028c\\x9b"),
            ("\ud800", "\\ud800"),
        ],
    )
    def test_writes_out_what_acts_on_a_terminal(self, text: str, shown: str) -> None:
        """Letters of every script stay as they are."""
        assert shown == printable(text)

    def test_finds_it_wherever_it_is(self) -> None:
        """In keys, in lists, and deep inside; what is no text stays."""
        value = {"a\x1b": [{"b": "\x07"}, 3, None, True, ("\r",)]}
        assert {"a\\x1b": [{"b": "\\x07"}, 3, None, True, ["\\r"]]} == printable(value)


class TestName:
    @pytest.mark.parametrize("value", ["resync-7", "snapshot-20261130T132742-3ed7", "a" * 200])
    def test_lets_names_through(self, value: str) -> None:
        """Those that agents give."""
        assert value == name(value, "the id of an operation")

    @pytest.mark.parametrize(
        "value", ["../../inv/x", "a/b", ".", "..", "-rf", "", "a\n", "a b", "a;b", "{{ x }}", "a" * 201, None, 7, ["a"]]
    )
    def test_refuses_what_could_be_something_else(self, value: object) -> None:
        """A way out of a directory, an option, a second line, a template."""
        with pytest.raises(GiveUp, match="the id of an operation of letters") as refused:
            name(value, "the id of an operation")
        assert "not_trusted" == refused.value.code


class TestAddress:
    @pytest.mark.parametrize(
        "value", ["db1:27017", "db1.example.com:27017", "10.0.0.1:1", "[::1]:27017", "[fe80::1%eth0]:1"]
    )
    def test_lets_addresses_through(self, value: str) -> None:
        """Names and numbers, with a port."""
        assert value == address(value, "a member")

    @pytest.mark.parametrize("value", ["db1", "-x:1", "a b:1", "a:1\n", "a@b:1", "a:1/x", "[::1:1", ":1", None, 7])
    def test_refuses_the_rest(self, value: object) -> None:
        """An option, credentials, a second line."""
        with pytest.raises(GiveUp, match="a member as HOST:PORT"):
            address(value, "a member")


class TestIdentified:
    @pytest.mark.parametrize(
        "answer",
        [
            {},
            {"operation": None},
            {"operation": {"id": "resync-7", "kind": "resync"}},
            {"status": {"last_resync": {"operation": "resync-7"}, "operation": {}}},
            {"jobs": [{"operation": ""}, {"operation": {"id": "a.b:c-d_e"}}]},
        ],
    )
    def test_lets_answers_through(self, answer: dict[str, Any]) -> None:
        """With and without an operation."""
        assert answer is identified(answer)

    @pytest.mark.parametrize(
        "answer",
        [
            {"operation": {"id": "../../inv/x"}},
            {"operation": {"kind": "resync"}},
            {"status": {"last_resync": {"operation": "--cancel"}}},
            {"jobs": [{"operation": "a\n"}]},
        ],
    )
    def test_refuses_ids_that_could_be_something_else(self, answer: dict[str, Any]) -> None:
        """Wherever they are."""
        with pytest.raises(GiveUp, match="the id of an operation"):
            identified(answer)
