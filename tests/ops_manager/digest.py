"""HTTP digest authentication: nonces that expire, and a new challenge that says so."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field

from werkzeug.datastructures import Authorization, WWWAuthenticate

from tests.ops_manager.settings import Switches, Timing

REALM = "MMS Public API"


@dataclass(frozen=True)
class Key:
    """A pair of keys and its rights: the roles in the projects (in all projects when none is named)."""

    public: str
    private: str = field(repr=False)
    roles: frozenset[str]
    projects: frozenset[str] | None = None


@dataclass
class Nonce:
    issued: float
    counts: set[str] = field(default_factory=set)


class NotAuthenticated(Exception):
    """The answer is a challenge."""

    def __init__(self, challenge: WWWAuthenticate, stale: bool) -> None:
        super().__init__("challenge")
        self.challenge = challenge
        self.stale = stale


class Guard:
    """Checks the Authorization header of a request."""

    def __init__(self, timing: Timing, switches: Switches) -> None:
        self._timing = timing
        self._switches = switches
        self._nonces: dict[str, Nonce] = {}
        self.keys: dict[str, Key] = {}

    def check(self, method: str, uri: str, header: Authorization | None) -> Key:
        """Return the key of the request, or raise a challenge."""
        if header is None or header.type != "digest":
            raise self._challenge(stale=False)
        key = self.keys.get(header.get("username") or "")
        if key is None or header.get("uri") != uri or not self._proves(method, key, header):
            raise self._challenge(stale=False)
        if not self._fresh(header):
            raise self._challenge(stale=True)
        return key

    def forget_nonces(self) -> None:
        """Make every nonce expire at once."""
        self._nonces.clear()

    def _challenge(self, stale: bool) -> NotAuthenticated:
        nonce = secrets.token_hex(16)
        self._nonces[nonce] = Nonce(time.monotonic())
        values: dict[str, str | None] = {
            "realm": REALM,
            "domain": "",
            "nonce": nonce,
            "algorithm": "MD5",
            "qop": "auth",
            "stale": str(stale).lower(),
        }
        return NotAuthenticated(WWWAuthenticate("digest", values), stale)

    def _proves(self, method: str, key: Key, header: Authorization) -> bool:
        secret = _md5(f"{key.public}:{REALM}:{key.private}")
        asked = _md5(f"{method}:{header.get('uri')}")
        parts = [header.get(name) or "" for name in ("nonce", "nc", "cnonce", "qop")]
        expected = _md5(":".join([secret, *parts, asked]))
        return header.get("realm") == REALM and hmac.compare_digest(expected, header.get("response") or "")

    def _fresh(self, header: Authorization) -> bool:
        nonce = self._nonces.get(header.get("nonce") or "")
        count = header.get("nc") or ""
        if nonce is None or count in nonce.counts or time.monotonic() - nonce.issued > self._timing.nonce:
            return False
        if self._switches.nonce_uses is not None and len(nonce.counts) >= self._switches.nonce_uses:
            return False
        nonce.counts.add(count)
        return True


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
