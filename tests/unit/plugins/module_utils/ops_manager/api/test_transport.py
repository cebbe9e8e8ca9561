# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to the server: what is refused before anything is sent, and TLS with real certificates."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.transport import Connection, Transport

OPTIONS = {"public_key": "a", "private_key": "secret", "validate_certs": True, "timeout_seconds": 30.0}


def connection(**options: Any) -> Connection:
    return Connection.from_options({"url": "https://om.example.com:8443/", **OPTIONS, **options})


def test_base() -> None:
    """A slash at the end makes none in the middle; a server below a path is reached there."""
    assert "https://om.example.com:8443" == connection().url
    assert "http://om/deep" == connection(url="http://om/deep/", plaintext=True).url
    assert "http://127.0.0.1:8080" == connection(url="http://127.0.0.1:8080").url


@pytest.mark.parametrize(
    "options",
    [
        {"url": "om.example.com"},
        {"url": "ftp://om.example.com"},
        {"url": "https://"},
        {"url": "http://om.example.com:8080"},
        {"url": "https://om:port"},
        {"url": "https://me:hidden@om.example.com"},
        {"url": "https://om.example.com/api/public/v1.0"},
        {"url": "https://om.example.com?x=1"},
        {"proxy": "me:hidden@proxy:3128"},
        {"timeout_seconds": 0.0},
        {"timeout_seconds": float("nan")},
    ],
)
def test_refuses(options: dict[str, Any]) -> None:
    """Before anything is sent, and without printing what may be a password."""
    with pytest.raises(FixInput) as caught:
        connection(**options)
    assert "bad_option" == caught.value.code
    assert "hidden" not in caught.value.message


def test_secrets_are_not_printed() -> None:
    """A traceback shows the representation of what was at hand."""
    shown = repr(connection(proxy="http://me:hidden@proxy:3128"))
    assert "secret" not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize("name", ["ca_file", "client_certificate_file"])
def test_unreadable_certificates(name: str, tmp_path: Any) -> None:
    """A path that is wrong, or a file that is no certificate, is named."""
    wrong = tmp_path / "wrong.pem"
    for text in (None, "no certificate"):
        if text:
            wrong.write_text(text)
        with pytest.raises(FixInput, match=r"wrong\.pem"):
            Transport(connection(**{name: str(wrong)}))
