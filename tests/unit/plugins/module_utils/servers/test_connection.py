# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections: what goes wrong. Reading a real replica set is an integration test."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers import connection

SECRET = "s3cret%40word"


class TestDescribed:
    def test_bad_uri(self) -> None:
        """A URI that the driver cannot parse is a matter of input and not a crash."""
        with pytest.raises(FixInput) as caught, connection.described("the replica set"):
            connection.Login({"login_uri": f"mongodb://joe:{SECRET}:@a:b/"}).seed()
        assert SECRET not in str(caught.value.failure())

    @pytest.mark.parametrize(
        ("expected", "params"),
        [
            ("does not take: fobar; correct it in connection_options", {"connection_options": [f"foBar={SECRET}"]}),
            ("does not take: maxpoolsize;", {"connection_options": [f"maxPoolSize={SECRET}"]}),
            ("correct connect_timeout_seconds", {"connect_timeout_seconds": -1}),
            ("correct login_port or login_uri", {"login_port": 99999}),
            ("correct login_port or login_uri", {"login_uri": f"mongodb://joe:{SECRET}@a:99999/"}),
            ("does not begin with mongodb://", {"login_uri": f"http://joe:{SECRET}@a/"}),
            ("percent-encode them in login_uri", {"login_uri": f"mongodb://joe:{SECRET}@word@a/"}),
            ("percent-encode them in login_uri", {"login_uri": f"mongodb://joe:7/{SECRET}@a:1/"}),
            ("found a URI without a host", {"login_uri": "mongodb://"}),
            ("an option without a value", {"login_uri": f"mongodb://joe:{SECRET}@a/?tls"}),
            ("a port behind mongodb+srv://", {"login_uri": f"mongodb+srv://joe:{SECRET}@a.b.example.com:1/"}),
            ("give login_user", {"auth_mechanism": "SCRAM-SHA-256"}),
            ("give login_password", {"login_user": "joe"}),
            (
                "leave out login_password",
                {"login_user": "j", "login_password": SECRET, "auth_mechanism": "MONGODB-X509"},
            ),
            ("TLS files while TLS is off", {"login_uri": "mongodb://a/?tls=false", "tls_ca_file": __file__}),
            ("correct tls_ca_file", {"tls": True, "tls_ca_file": __file__}),
            ("check tls_certificate_key_file", {"tls": True, "tls_certificate_key_file": __file__}),
            ("no readable file /nowhere.crl", {"tls": True, "tls_crl_file": "/nowhere.crl"}),
        ],
    )
    def test_names_the_option_that_the_driver_refuses(self, expected: str, params: dict[str, Any]) -> None:
        """A user with twenty options wants to know which one is wrong; its value is never shown."""
        with pytest.raises(FixInput) as caught, connection.described("a:1"):
            connection.Login(params).seed().close()
        assert caught.value.message.startswith("Expected usable connection options for a:1, ")
        assert expected in caught.value.message
        assert SECRET not in str(caught.value.failure())
