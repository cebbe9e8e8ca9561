"""What a URI gives, and by which name a member is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pymongo.errors import ConfigurationError
from pymongo.uri_parser import parse_uri

from backup_agent.errors import AccessRefused, BadConfiguration, Transient
from backup_agent.source import addresses
from backup_agent.source.addresses import by_horizon, read


def test_literals_of_ipv6_are_in_brackets() -> None:
    """As in the set's configuration, with which they are compared."""
    assert ("[::1]:27017", "[fe80::2]:1", "db1:2") == read("mongodb://[::1],[fe80::2]:1,db1:2/").seeds


def test_options_about_connections_are_carried(tmp_path: Path) -> None:
    """Those about which member to take, and how long to wait, are not: the agent decides that."""
    authority = tmp_path / "ca.pem"
    uri = f"mongodb://a/?tls=true&tlsCAFile={authority}&authSource=x&readPreference=primary&w=3&socketTimeoutMS=5"
    with pytest.raises(AccessRefused, match=r"ca\.pem"):  # it may be put there
        read(uri)
    authority.touch()
    assert {"tls": True, "tlsCAFile": str(authority), "authSource": "x"} == read(uri).options


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("mongodb://a/?tlsCAFiel=/ca.pem", "tlscafiel"),
        ("mongodb://a/?tls=perhaps", "tls"),
        ("http://a", "mongodb://"),
        ("mongodb://a:port/", "ort"),
        ("mongodb+srv://a.example.test/?tlsCAFiel=/ca.pem", "tlscafiel"),
        ("mongodb+srv://a.example.test/?srvMaxHosts=2&tls=perhaps", "tls"),
    ],
)
def test_what_can_never_be_right_is_refused(uri: str, words: str) -> None:
    """With the name of the setting, and what is wrong with it."""
    with pytest.raises(BadConfiguration, match=r"^source\.uri: ") as refused:
        read(uri)
    assert words in refused.value.message


def test_a_resolver_without_an_answer_may_have_one_later() -> None:
    """No message shows the options: a password can be among them."""
    uri = "mongodb+srv://orders.example.invalid/?srvMaxHosts=2&tlsCertificateKeyFilePassword=hunter2"
    failed = ConfigurationError("The DNS query name does not exist")
    asked = [parse_uri("mongodb://a/"), failed]
    with patch.object(addresses, "parse_uri", side_effect=asked) as parse, pytest.raises(Transient) as waits:
        read(uri)
    assert "mongodb://orders.example.invalid/?tlsCertificateKeyFilePassword=hunter2" == parse.call_args_list[0].args[0]
    assert "expected the members of orders.example.invalid from the resolver" in waits.value.message
    assert "hunter2" not in waits.value.message


def test_what_another_option_stands_for_is_carried() -> None:
    """The driver refuses the one and the others together."""
    options = read("mongodb://a/?tls=true&tlsInsecure=true").options
    assert "tlsInsecure" not in options
    assert options["tlsAllowInvalidCertificates"]


def member(host: str, **horizons: str) -> dict[str, Any]:
    """Return a member of a configuration."""
    return {"host": host, "horizons": horizons} if horizons else {"host": host}


SPLIT = {"members": [member("a:1", out="a.net:1", vpn="a.vpn:1"), member("b:1", out="b.net:1", vpn="b.vpn:1")]}


@pytest.mark.parametrize(
    ("reached", "expected"),
    [
        (["a.net:1"], {"a:1": "a.net:1", "b:1": "b.net:1"}),
        (["b.vpn:1"], {"a:1": "a.vpn:1", "b:1": "b.vpn:1"}),
        (["a:1"], {}),
        (["a.net:1", "b:1"], {}),
        (["elsewhere:1"], {}),
        (["A.NET:1"], {"a:1": "a.net:1", "b:1": "b.net:1"}),
    ],
)
def test_a_horizon_is_known_by_what_was_reached(reached: list[str], expected: dict[str, str]) -> None:
    """The names in the set's configuration count where one of them was reached; unknown names tell nothing."""
    assert expected == by_horizon(SPLIT, reached)


def test_a_horizon_that_not_every_member_has_counts_for_the_others() -> None:
    """The one without is reached by its own name."""
    config = {"members": [member("a:1", out="a.net:1"), member("b:1")]}
    assert {"a:1": "a.net:1"} == by_horizon(config, ["a.net:1"])
