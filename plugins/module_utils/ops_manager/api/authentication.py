# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP digest authentication (RFC 7616), as far as servers use it: qop auth or none. Pure: a challenge in, a header out.

The one of urllib does not do here: it counts refusals of all kinds against a limit that it does not set back, asks twice for
every request, and calls MD5 in a way that hosts in FIPS mode refuse. It also comes with one for Basic, and would tell
the private key to anybody who answers in the place of the server.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.request import parse_http_list, parse_keqv_list

#: The strongest first. MD5 is what the protocol asks for; nothing here relies on its strength.
_HASHES: dict[str, Callable[..., Any]] = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}


@dataclass(frozen=True)
class Challenge:
    """What a server wants a client to prove that it knows the password with."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    #: Whether the password was right and only the nonce too old.
    stale: bool = False
    has_qop: bool = True
    opaque: str | None = None


@dataclass(frozen=True)
class Credentials:
    """Who answers a challenge."""

    user: str
    password: str


def challenge_of(headers: Iterable[str]) -> Challenge | None:
    """Return the best challenge among the values of WWW-Authenticate; None without one that can be answered."""
    found = [challenge for challenge in map(_parse, headers) if challenge is not None]
    names = list(_HASHES)
    return min(found, key=lambda challenge: names.index(_hash_name(challenge)), default=None)


def _hash_name(challenge: Challenge) -> str:
    return challenge.algorithm.upper().removesuffix("-SESS")


def _parse(header: str) -> Challenge | None:
    scheme, _blank, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    try:
        values = {name.lower(): value for name, value in parse_keqv_list(parse_http_list(rest)).items()}
    except (ValueError, IndexError):
        return None
    qop = [one.strip().lower() for one in values.get("qop", "").split(",") if one.strip()]
    challenge = Challenge(
        realm=values.get("realm", ""),
        nonce=values.get("nonce", ""),
        algorithm=values.get("algorithm", "MD5"),
        stale=values.get("stale", "").lower() == "true",
        has_qop=bool(qop),
        opaque=values.get("opaque"),
    )
    fits = challenge.nonce and _hash_name(challenge) in _HASHES and (not qop or "auth" in qop)
    return challenge if fits else None


def authorization(
    challenge: Challenge, login: Credentials, method: str, uri: str, count: int, cnonce: str | None = None
) -> str:
    """Return the value of the header Authorization; count says how often this nonce has been used, this time included."""
    own = cnonce or os.urandom(16).hex()
    nonce_count = f"{count:08x}"

    def hashed(text: str) -> str:
        found: str = _HASHES[_hash_name(challenge)](text.encode(), usedforsecurity=False).hexdigest()
        return found

    secret = hashed(f"{login.user}:{challenge.realm}:{login.password}")
    if challenge.algorithm.upper().endswith("-SESS"):
        secret = hashed(f"{secret}:{challenge.nonce}:{own}")
    what = hashed(f"{method}:{uri}")
    middle = f"{challenge.nonce}:{nonce_count}:{own}:auth" if challenge.has_qop else challenge.nonce
    fields = {
        "username": _quoted(login.user),
        "realm": _quoted(challenge.realm),
        "nonce": _quoted(challenge.nonce),
        "uri": _quoted(uri),
        "response": _quoted(hashed(f"{secret}:{middle}:{what}")),
        "algorithm": challenge.algorithm,
    }
    if challenge.opaque is not None:
        fields["opaque"] = _quoted(challenge.opaque)
    if challenge.has_qop:
        fields.update(qop="auth", nc=nonce_count, cnonce=_quoted(own))
    return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
