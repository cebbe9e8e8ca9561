# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong with a connection, in our words."""

from __future__ import annotations

import pytest
from pymongo.errors import (
    ConfigurationError,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError, FixInput, RetryLater
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.driver_errors import described

SECRET = "s3cret%40word"


class TestDescribed:
    @pytest.mark.parametrize(
        ("expected", "code", "raised"),
        [
            (FixInput, "unauthorized", OperationFailure(f"not authorized {SECRET}", 13)),
            (FixInput, "login_failed", OperationFailure(f"Authentication failed {SECRET}", 18)),
            (RetryLater, "server_error", OperationFailure(f"interrupted {SECRET}", 11600)),
            (RetryLater, "unreachable", ServerSelectionTimeoutError(f"refused {SECRET}")),
            (RetryLater, "unreachable", NetworkTimeout(f"timed out {SECRET}")),
            (RetryLater, "driver_error", PyMongoError(SECRET)),
            (FixInput, "bad_connection_options", ValueError(f"{SECRET} is not a valid read preference")),
            (FixInput, "bad_connection_options", ConfigurationError(f"bad {SECRET}")),
        ],
    )
    def test_keeps_secrets_and_says_what_to_do(self, expected: type[BackupError], code: str, raised: Exception) -> None:
        """What the driver says can quote a URI, so none of it reaches a log."""
        with pytest.raises(expected) as caught, described("a:1"):
            raise raised
        assert code == caught.value.code
        assert "a:1" in caught.value.message
        assert SECRET not in str(caught.value.failure())

    def test_a_member_whose_first_answer_is_no_text(self) -> None:
        """The driver makes no connection to it; its tags can be any bytes."""
        said = "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte, Timeout: 5s"
        with (
            pytest.raises(
                RetryLater,
                match=r"found one that is not UTF-8; correct the tags of that member: rs.conf\(\) shows them",
            ),
            described("a:1"),
        ):
            raise ServerSelectionTimeoutError(said)
