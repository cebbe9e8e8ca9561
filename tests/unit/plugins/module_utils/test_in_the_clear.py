# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which connections could be read on the way."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.in_the_clear import in_the_clear, says_tls


class TestInTheClear:
    @pytest.mark.parametrize(
        ("uri", "found"),
        [
            ("mongodb://a.example.com:27017,b.example.com/?replicaSet=rs0", "a.example.com:27017"),
            ("mongodb://127.0.0.1:27017,b.example.com", "b.example.com"),
            ("mongodb://10.0.0.1/?tls=false", "10.0.0.1"),
            ("mongodb://[2001:db8::1]:27017/", "[2001:db8::1]:27017"),
            ("mongodb+srv://cluster.example.com/?tls=false", "cluster.example.com"),
            ("db1.example.com", "db1.example.com"),
        ],
    )
    def test_names_the_first_address(self, uri: str, found: str) -> None:
        """What cannot be read is not taken for safe."""
        assert found == in_the_clear(uri, {})
        assert "" == in_the_clear("mongodb://a.example.com/", {"ca_file": "/ca.pem"})

    @pytest.mark.parametrize(
        "uri",
        [
            "mongodb://a.example.com/?replicaSet=rs0&tls=true",
            "mongodb://a.example.com?ssl=True",
            "mongodb+srv://cluster.example.com",
            "mongodb://127.0.0.1:27017,localhost:27018,[::1]:27019/?replicaSet=rs0",
            "mongodb://%2Frun%2Fmongod.sock",
        ],
    )
    def test_finds_nothing_to_read(self, uri: str) -> None:
        """With TLS, and on this machine alone."""
        assert "" == in_the_clear(uri, {})

    @pytest.mark.parametrize(
        ("uri", "given", "expected"),
        [
            ("mongodb://a/?tls=true", {}, True),
            ("mongodb://a/?tls=true", {"tls": "false"}, False),
            ("mongodb+srv://a.example.com/", {"ssl": False}, False),
            ("mongodb://a/", {"tls": True}, True),
            ("mongodb://a/?tlsCAFile=/ca.pem", {}, True),
            ("mongodb://a/", {"tlscafile": "/ca.pem"}, True),
            ("mongodb://a/", {"tlscafile": None}, False),
            ("no URI", {}, False),
        ],
    )
    def test_knows_what_the_driver_takes_for_tls(self, uri: str, given: dict[str, object], expected: bool) -> None:
        """What is given beside the URI counts for more than the URI."""
        assert expected is says_tls(uri, given)
