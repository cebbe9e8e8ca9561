"""An empty restic repository whose password costs nothing to check.

`restic init` makes the key so that every later command works half a second on the password. A test that runs restic
twenty times is not there to see that. The format is that of restic's design document, "Keys, Encryption and MAC".
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

if TYPE_CHECKING:
    from pathlib import Path

_CHEAP = {"N": 2, "r": 1, "p": 1}
_POLYNOMIAL = "24dd1ce68312a9"
"""How restic cuts files into pieces; each repository has one, but any irreducible one will do."""

_FOLDERS = ("index", "keys", "locks", "snapshots", *(f"data/{number:02x}" for number in range(256)))


@dataclass(frozen=True)
class _Key:
    """What encrypts and signs."""

    encrypt: bytes
    mac_key: bytes
    mac_nonce: bytes

    @classmethod
    def of(cls, raw: bytes) -> _Key:
        return cls(raw[:32], raw[32:48], raw[48:64])

    def sealed(self, content: dict[str, Any]) -> bytes:
        """Return the nonce, the encrypted JSON and its signature."""
        nonce = secrets.token_bytes(16)
        encryptor = Cipher(algorithms.AES(self.encrypt), modes.CTR(nonce)).encryptor()
        hidden = encryptor.update(json.dumps(content).encode()) + encryptor.finalize()
        signer = Cipher(algorithms.AES(self.mac_key), modes.ECB()).encryptor()  # Poly1305-AES: one block, the nonce
        once = self.mac_nonce + signer.update(nonce) + signer.finalize()
        return nonce + hidden + Poly1305.generate_tag(once, hidden)

    @property
    def shown(self) -> dict[str, Any]:
        """The key as it is written, once encrypted, into its file."""
        return {"mac": {"k": _text(self.mac_key), "r": _text(self.mac_nonce)}, "encrypt": _text(self.encrypt)}


def make_repository(location: Path, password: str) -> None:
    """Make an empty repository in a directory that does not exist yet or is empty."""
    for folder in _FOLDERS:
        (location / folder).mkdir(parents=True, mode=0o700)
    salt, master = secrets.token_bytes(64), _Key.of(secrets.token_bytes(64))
    scrypted = hashlib.scrypt(password.encode(), salt=salt, n=_CHEAP["N"], r=_CHEAP["r"], p=_CHEAP["p"], dklen=64)
    key = {
        "created": "2026-01-01T00:00:00Z",
        "username": "lab",
        "hostname": "lab",
        "kdf": "scrypt",
        **_CHEAP,
        "salt": _text(salt),
        "data": _text(_Key.of(scrypted).sealed(master.shown)),
    }
    _write(location / "keys", json.dumps(key).encode())
    config = {"version": 2, "id": secrets.token_hex(32), "chunker_polynomial": _POLYNOMIAL}
    (location / "config").write_bytes(master.sealed(config))


def _write(folder: Path, content: bytes) -> None:
    """Write a file under the name that restic expects: the checksum of what it holds."""
    (folder / hashlib.sha256(content).hexdigest()).write_bytes(content)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
