"""When certificates end, as their own bytes say it."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from backup_agent.source.certificates import AUTHORITY, KEY, first_end, not_after, of_job
from lab.certificates import Certificates
from tests.unit.agent.jobs import configured

NOW = datetime.now(UTC)


def made(end: datetime, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, subject: str = "orders") -> bytes:
    """Return a certificate in PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(1990, 1, 1, tzinfo=UTC)).not_valid_after(end)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    """Return a key."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize("year", [1999, 2026, 2049, 2050, 9999])
@pytest.mark.parametrize("subject", ["a", "x" * 60])
def test_the_end_is_that_which_was_written(year: int, subject: str, key: ec.EllipticCurvePrivateKey) -> None:
    """From 2050 on it is written with four digits of the year; long names make long lengths."""
    end = datetime(year, 12, 31, 23, 59, 58, tzinfo=UTC)
    assert end == not_after(ssl.PEM_cert_to_DER_cert(made(end, key, subject).decode()))
    long = made(end, rsa.generate_private_key(65537, 2048), subject)
    assert end == not_after(ssl.PEM_cert_to_DER_cert(long.decode()))


def test_a_certificate_that_is_cut_has_the_same_end_or_none(key: ec.EllipticCurvePrivateKey) -> None:
    """And no byte too many or too few makes a loop."""
    end = NOW.replace(microsecond=0)
    der = ssl.PEM_cert_to_DER_cert(made(end, key).decode())
    found = set()
    for length in range(len(der)):
        with contextlib.suppress(ValueError, IndexError):
            found.add(not_after(der[:length]))
    assert {end} == found
    with pytest.raises((ValueError, IndexError)):
        not_after(der[:60])


def test_of_a_key_the_whole_chain_counts_and_of_authorities_those_that_are_left(tmp_path: Path) -> None:
    """While an authority is replaced, the old and the new one lie in one file."""
    old, soon, late = (NOW + timedelta(days=days) for days in (-3, 5, 500))
    assert old == first_end(KEY, [late, old])
    assert soon == first_end(AUTHORITY, [late, soon, old])
    assert old == first_end(AUTHORITY, [old])


def test_files_of_the_configuration_and_of_the_uri_are_read(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Those of the configuration count for more; one that is no certificate is none, whoever made the others."""
    own = Certificates(tmp_path)
    pem, none = tmp_path / "soon.pem", tmp_path / "none.pem"
    pem.write_bytes(own.client.read_bytes() + made(NOW + timedelta(days=5, hours=1), key))
    none.write_text("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n")
    uri = f"mongodb://127.0.0.1/?tls=true&tlsCAFile={own.ca}&tlsCertificateKeyFile={none}"
    tls = {"certificate_key_file": str(pem)}
    config = configured(tmp_path, source={"uri": uri, "replica_set": "rs0", "tls": tls})
    authority, mine = of_job(config).files
    assert (AUTHORITY, str(own.ca)) == (authority.kind, authority.file)
    assert authority.days_left >= 0
    assert (KEY, str(pem), 5) == (mine.kind, mine.file, mine.days_left)
    assert ["ca_file"] == [
        one.kind for one in of_job(configured(tmp_path, source={"uri": uri, "replica_set": "rs0"})).files
    ]
