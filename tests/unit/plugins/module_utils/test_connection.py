# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections: options and errors. Reading a real replica set is an integration test."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import ConfigurationError, OperationFailure, ServerSelectionTimeoutError

from ansible_collections.mongodb_ops.backup.plugins.module_utils import connection
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError, FixInput, RetryLater

SECRET = "s3cret%40word"
DEFAULTS = {name: option.get("default") for name, option in connection.LOGIN.options.items()}


def login(**params: Any) -> connection.Login:
    """Return a login with these options, and defaults for the others."""
    return connection.Login({**DEFAULTS, **params})


class TestLogin:
    def test_seed_is_asked_directly(self) -> None:
        """The member that was named answers, even where the set has another primary."""
        with login(login_host="::1", login_port=1).seed() as client:
            assert client.options.direct_connection is True
            assert ("::1", 1) == client._topology_settings.seeds.copy().pop()

    def test_members_get_the_credentials_of_the_uri(self) -> None:
        """A member is reached by its own address, which has no credentials and options in it."""
        uri = f"mongodb://joe:{SECRET}@a:1,b:2/?replicaSet=rs0&authSource=users&tls=true&serverSelectionTimeoutMS=1500"
        with login(login_uri=uri).member("b:2") as client:
            credentials = client.options.pool_options._credentials
            assert ("joe", "s3cret@word", "users") == (credentials.username, credentials.password, credentials.source)
            assert client.options.pool_options._ssl_context is not None
            assert 1.5 == client.options.server_selection_timeout
            assert client.options.direct_connection is True

    def test_options_win_over_the_uri(self) -> None:
        """A password from the vault must not lose against one that somebody left in a URI."""
        with login(login_uri="mongodb://joe:old@a:1/", login_user="ann", login_password="new").member("a:1") as client:
            credentials = client.options.pool_options._credentials
            assert ("ann", "new", "admin") == (credentials.username, credentials.password, credentials.source)

    def test_external_mechanisms_have_their_own_source(self) -> None:
        """These users are not in any database."""
        params = {"login_user": "ann", "login_password": "x", "auth_mechanism": "PLAIN"}
        with login(**params).seed() as client:
            assert "$external" == client.options.pool_options._credentials.source


class TestDescribed:
    @pytest.mark.parametrize(
        ("expected", "code", "raised"),
        [
            (FixInput, "unauthorized", OperationFailure(f"not authorized {SECRET}", 13)),
            (FixInput, "login_failed", OperationFailure(f"Authentication failed {SECRET}", 18)),
            (RetryLater, "server_error", OperationFailure(f"interrupted {SECRET}", 11600)),
            (RetryLater, "unreachable", ServerSelectionTimeoutError(f"refused {SECRET}")),
            (FixInput, "bad_connection_options", ConfigurationError(f"bad {SECRET}")),
        ],
    )
    def test_keeps_secrets_and_says_what_to_do(self, expected: type[BackupError], code: str, raised: Exception) -> None:
        """What the driver says can quote a URI, so none of it reaches a log."""
        with pytest.raises(expected) as caught, connection.described("a:1"):
            raise raised
        assert code == caught.value.code
        assert "a:1" in caught.value.message
        assert SECRET not in str(caught.value.failure())

    def test_bad_uri(self) -> None:
        """A URI that the driver cannot parse is a matter of input and not a crash."""
        with pytest.raises(FixInput) as caught, connection.described("the replica set"):
            login(login_uri=f"mongodb://joe:{SECRET}:@a:b/").seed()
        assert SECRET not in str(caught.value.failure())
