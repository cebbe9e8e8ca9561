# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digest authentication, by the examples of RFC 7616."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.api.authentication import (
    Credentials,
    authorization,
    challenge_of,
)

_LOGIN = Credentials("Mufasa", "Circle of Life")
_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
_OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def header(algorithm: str, extra: str = 'qop="auth, auth-int", ') -> str:
    return f'Digest realm="http-auth@example.org", {extra}algorithm={algorithm}, nonce="{_NONCE}", opaque="{_OPAQUE}"'


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_examples_of_the_standard(algorithm: str, response: str) -> None:
    """The responses are those that the standard prints."""
    challenge = challenge_of([header(algorithm)])
    assert challenge is not None
    found = authorization(challenge, _LOGIN, "GET", "/dir/index.html", 1, _CNONCE)
    assert f'response="{response}"' in found
    assert f'opaque="{_OPAQUE}"' in found
    assert "qop=auth, nc=00000001" in found


def test_without_qop() -> None:
    """Servers of before 1999 get no nonce count."""
    challenge = challenge_of([header("MD5", "")])
    assert challenge is not None
    assert "qop" not in authorization(challenge, _LOGIN, "GET", "/", 1)


def test_session_variant_differs() -> None:
    """MD5-sess puts the nonces into the secret."""
    plain, session = challenge_of([header("MD5")]), challenge_of([header("MD5-sess")])
    assert plain is not None
    assert session is not None
    one = authorization(plain, _LOGIN, "GET", "/", 1, "c").split("response=")[1][:34]
    assert one not in authorization(session, _LOGIN, "GET", "/", 1, "c")


def test_the_strongest_of_several() -> None:
    """What cannot be answered is passed over."""
    found = challenge_of(['Basic realm="x"', header("MD5"), header("SHA-256"), header("SHA-512-256")])
    assert found is not None
    assert "SHA-256" == found.algorithm


@pytest.mark.parametrize(
    "value", ['Basic realm="x"', "Digest", 'Digest realm="x"', "Negotiate", header("MD5", 'qop="auth-int", ')]
)
def test_nothing_that_can_be_answered(value: str) -> None:
    """Neither a guess nor a traceback."""
    assert challenge_of([value]) is None


def test_stale() -> None:
    """An old nonce is told from a wrong password."""
    old = challenge_of([header("MD5", "stale=TRUE, ")])
    assert old is not None
    assert old.stale
