"""When the certificates end that the source is reached with. Read from their own bytes: `ssl` tells it of authorities only."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from backup_agent.config import Config
from backup_agent.times import seconds_until
from backup_agent.values import Record, text_of

MOST_BYTES = 16 * 1024 * 1024
KEY, AUTHORITY = "certificate_key_file", "ca_file"
FILES = {"tlscertificatekeyfile": KEY, "tlscafile": AUTHORITY}
"""The options of a URI that name the same as those of the configuration."""

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _UTC_TIME, _EXPLICIT_VERSION = 0x30, 0x17, 0xA0


@dataclass(frozen=True, slots=True)
class Certificate(Record):
    """A file of certificates, and when the first of those ends that count."""

    DERIVED: ClassVar = ("days_left",)

    kind: str
    file: str
    expires_at: str

    @property
    def days_left(self) -> int:
        """Whole days; below 0 when it has ended."""
        return int(seconds_until(self.expires_at) // 86400)


@dataclass(frozen=True, slots=True)
class Certificates(Record):
    """Those of a job, as far as they could be read."""

    PARTS: ClassVar = {"files": Certificate}

    files: tuple[Certificate, ...] = ()


def of_job(config: Config) -> Certificates:
    """Return the certificates that the configuration or the URI names. A file that cannot be read is not among them."""
    named = {FILES[name.lower()]: path for name, path in _options(config.source.uri) if name.lower() in FILES}
    if config.source.tls is not None:
        own = {KEY: config.source.tls.certificate_key_file, AUTHORITY: config.source.tls.ca_file}
        named |= {kind: str(path) for kind, path in own.items() if path is not None}
    read = ((kind, path, _ends(Path(path))) for kind, path in sorted(named.items()))
    return Certificates(
        tuple(Certificate(kind, path, _iso(first_end(kind, ends))) for kind, path, ends in read if ends)
    )


def _options(uri: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(uri).query)


def first_end(kind: str, ends: Iterable[datetime]) -> datetime:
    """Return the end that counts. Pure.

    With a key the first of its chain that ends. Of authorities those that have ended do not count while another one has not: old
    and new ones lie in one file while they are replaced.
    """
    found = sorted(ends)
    if kind == KEY:
        return found[0]
    now = datetime.now(UTC)
    return next((end for end in found if end > now), found[-1])


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _ends(path: Path) -> list[datetime]:
    try:
        return [not_after(ssl.PEM_cert_to_DER_cert(text)) for text in _PEM.findall(text_of(path, MOST_BYTES))]
    except (OSError, ValueError, IndexError):
        return []


def not_after(der: bytes) -> datetime:
    """Return when a certificate ends (RFC 5280, 4.1). Raises ValueError or IndexError for bytes that are none. Pure."""
    (_, certificate), *_ = _elements(der)
    (_, signed), *_ = _elements(certificate)
    fields = [one for one in _elements(signed) if one[0] != _EXPLICIT_VERSION]
    tag, validity = fields[3]  # behind serial number, algorithm and issuer
    if tag != _SEQUENCE:
        raise ValueError("no certificate")
    kind, text = list(_elements(validity))[1]
    century = "" if kind != _UTC_TIME else "19" if text[:2] >= b"50" else "20"
    return datetime.strptime(century + text.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the DER elements that follow each other."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length > 0x7F:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        yield tag, data[at : at + length]
        at += length
