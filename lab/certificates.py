"""Certificates of a throw-away authority: of the members of a set, of a client that they know, and of one that nobody knows."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "open sesame"
"""Of `locked`, the client's certificate with an encrypted key."""

VALID_HOURS = 90 * 24
"""How long a certificate lasts, unless it is said."""


class Certificates:
    """Files in PEM below a directory; a certificate and its key are in one file, as mongod and pymongo want them."""

    def __init__(self, directory: Path, host: str | None = None) -> None:
        """Make them; the members are at the loopback address, and at this host."""
        directory.mkdir(parents=True, exist_ok=True)
        self.ca, self.server, self.client, self.locked, self.stranger = (
            directory / f"{name}.pem" for name in ("ca", "server", "client", "locked", "stranger")
        )
        self.other_ca, self.expired, self.revoked = (
            directory / f"{name}.pem" for name in ("other-ca", "expired", "revoked")
        )
        authority, other = Authority("lab"), Authority("somebody else")
        self.ca.write_bytes(authority.pem)
        self.other_ca.write_bytes(other.pem)
        authority.issue(self.server, "members", "127.0.0.1", host=host)
        authority.issue(self.client, "checker")
        authority.issue(self.locked, "checker", password=PASSWORD)
        other.issue(self.stranger, "checker")
        authority.issue(self.expired, "members", "127.0.0.1", valid_hours=-0.5)
        self.revoked.write_bytes(authority.revoke(self.server))
        self.subject = "CN=checker,O=lab-checker"
        """The name of the client as a user in `$external`."""

    @property
    def mongod_arguments(self) -> list[str]:
        """What makes a member take nothing but TLS, and only from clients with a certificate."""
        files = ["--tlsCertificateKeyFile", str(self.server), "--tlsCAFile", str(self.ca)]
        return ["--tlsMode", "requireTLS", *files]

    @property
    def options(self) -> dict[str, Any]:
        """The options of a client that the members know."""
        return {"tls": True, "tlsCAFile": str(self.ca), "tlsCertificateKeyFile": str(self.client)}


class Authority:
    """A certificate authority."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority", name)
        builder = _builder(self._name, self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self._certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self,
        path: Path,
        name: str,
        address: str | None = None,
        password: str | None = None,
        valid_hours: float = VALID_HOURS,
        host: str | None = None,
    ) -> None:
        """Write a certificate and its key, of a server at this address and of this name, where it has any.

        With less than 0 hours it was valid in the past.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name, f"lab-{name}"), self._name, key, valid_hours)
        names: list[x509.GeneralName] = [] if host is None else [x509.DNSName(host)]
        names += [] if address is None else [x509.IPAddress(ipaddress.ip_address(address))]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        lock = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        form = serialization.PrivateFormat.PKCS8
        secret = key.private_bytes(serialization.Encoding.PEM, form, lock)
        path.touch(mode=0o600)
        path.touch(0o600)
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)

    def revoke(self, path: Path) -> bytes:
        """Return a list that revokes the certificate in a file."""
        number = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
        now = datetime.now(UTC)
        entry = x509.RevokedCertificateBuilder(number, now).build()
        revoked = x509.CertificateRevocationListBuilder(self._name, now, now + timedelta(days=1))
        revoked = revoked.add_revoked_certificate(entry)
        return revoked.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _name(common: str, organization: str) -> x509.Name:
    pairs = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid_hours: float = VALID_HOURS
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=valid_hours))
