"""Where the agent connects to, and by which options."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backup_agent.config import Source
from backup_agent.errors import AccessRefused, BadConfiguration
from backup_agent.source.addresses import is_local
from backup_agent.source.connections import SourceSet
from backup_agent.source.options import MECHANISM, has_tls, options, why_not
from tests.unit.agent.jobs import configured


def source(**given: Any) -> Source:
    """Return a source."""
    return Source(uri="mongodb://a.example.com/", replica_set="rs0", **given)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("127.0.0.1:27017", True),
        ("127.8.8.8:1", True),
        ("[::1]:27017", True),
        ("localhost:27017", True),
        ("/run/mongod.sock", True),
        ("10.0.0.1:27017", False),
        ("localhost.example.com:27017", False),
        ("127.0.0.1.example.com:27017", False),
        ("[2001:db8::1]:27017", False),
    ],
)
def test_what_stays_on_this_machine(place: str, expected: bool) -> None:
    """Nobody else can listen there."""
    assert expected is is_local(place)


def test_another_machine_is_reached_with_tls_unless_it_is_on_purpose() -> None:
    """The password and all data would be readable on the way, and could be changed."""
    assert "expected TLS on the way to a.example.com:27017" in str(why_not(source(), "a.example.com:27017", tls=False))
    assert why_not(source(), "a.example.com:27017", tls=True) is None
    assert why_not(source(plaintext=True), "a.example.com:27017", tls=False) is None
    assert why_not(source(), "127.0.0.1:27017", tls=False) is None


def test_only_named_hosts_are_logged_in_at() -> None:
    """A member that somebody else has put into the set gets no password."""
    named = source(hosts=["*.db.example.com", "10.0.0.7"])
    for place in ("A.db.example.com:27017", "10.0.0.7:27018"):
        assert why_not(named, place, tls=True) is None
    for place in ("rogue.example.com:27017", "10.0.0.77:27017", "127.0.0.1:27017"):
        assert f"found {place}" in str(why_not(named, place, tls=True))


def test_a_member_without_tls_is_not_connected_to(tmp_path: Path) -> None:
    """Whoever has named it: the URI, or the set."""
    with closing(SourceSet(configured(tmp_path))) as sources, pytest.raises(BadConfiguration, match="expected TLS"):
        sources.client("b.example.com:27017")


def test_the_login_is_one_that_gives_nothing_away(tmp_path: Path) -> None:
    """Unless somebody names another mechanism."""
    (tmp_path / "word").touch(0o600)
    (tmp_path / "word").write_text("x")
    user = {"uri": "mongodb://127.0.0.1/", "username": "backup", "password_file": str(tmp_path / "word")}
    config = configured(tmp_path, source={"replica_set": "rs0", **user})
    assert MECHANISM == options(config, {}, 1)["authmechanism"]
    assert "SCRAM-SHA-1" == options(config, {"authMechanism": "SCRAM-SHA-1"}, 1)["authmechanism"]
    config = configured(tmp_path, source={"replica_set": "rs0", **user, "auth_mechanism": "PLAIN"})
    assert "PLAIN" == options(config, {}, 1)["authmechanism"]
    assert "authmechanism" not in options(configured(tmp_path), {}, 1)


def test_a_file_of_certificates_is_a_wish_for_tls() -> None:
    """The driver takes it for one."""
    assert has_tls({"tlscafile": "/ca.pem"})
    assert has_tls({"tls": True})
    assert not has_tls({"tls": False})
    assert not has_tls({})


@pytest.mark.parametrize("how", ["option", "uri"])
def test_a_key_that_others_can_read_is_not_used(tmp_path: Path, how: str) -> None:
    """Wherever it is named; the certificates of the authority are for everybody."""
    (tmp_path / "key.pem").write_text("x")
    tls = {
        "ca_file": str(tmp_path / "key.pem"),
        **({"certificate_key_file": str(tmp_path / "key.pem")} if how == "option" else {}),
    }
    given = {"tlsCertificateKeyFile": str(tmp_path / "key.pem")} if how == "uri" else {}
    config = configured(tmp_path, source={"uri": "mongodb://127.0.0.1/", "replica_set": "rs0", "tls": tls})
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(AccessRefused, match="expected mode 0600, found 0644"):
        options(config, given, 1)
    (tmp_path / "key.pem").chmod(0o600)
    assert str(tmp_path / "key.pem") == options(config, given, 1)["tlscertificatekeyfile"]
