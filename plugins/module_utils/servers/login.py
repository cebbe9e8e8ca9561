# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach and log in to the members of a replica set: the options of the modules, and clients made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

try:
    from pymongo import MongoClient
    from pymongo.uri_parser import parse_uri
except ImportError:
    pass  # `connection.HAS_PYMONGO` says so

from ..arguments import Arguments
from ..errors import FixInput, sentence
from ..in_the_clear import Trust, addresses, says_tls
from .message_size import bound_messages

#: The names are those of community.mongodb, so that one set of variables serves both collections.
LOGIN = Arguments(
    options={
        "login_uri": {"type": "str", "no_log": True},
        "login_host": {"type": "str", "default": "localhost"},
        "login_port": {"type": "int", "default": 27017},
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "login_database": {"type": "str", "default": "admin"},
        "auth_mechanism": {
            "type": "str",
            "choices": ["SCRAM-SHA-256", "SCRAM-SHA-1", "MONGODB-X509", "GSSAPI", "PLAIN"],
        },
        "tls": {"type": "bool", "default": False, "aliases": ["ssl"]},
        "tls_ca_file": {"type": "path", "aliases": ["ssl_ca_certs", "tlsCAFile"]},
        "tls_certificate_key_file": {"type": "path", "aliases": ["ssl_certfile", "tlsCertificateKeyFile"]},
        "tls_certificate_key_file_password": {
            "type": "str",
            "no_log": True,
            "aliases": ["ssl_pem_passphrase", "tlsCertificateKeyFilePassword"],
        },
        "tls_crl_file": {"type": "path", "aliases": ["ssl_crlfile"]},
        "ssl_cert_reqs": {
            "type": "str",
            "choices": ["CERT_NONE", "CERT_OPTIONAL", "CERT_REQUIRED"],
            "default": "CERT_REQUIRED",
        },
        "connection_options": {"type": "list", "elements": "raw", "no_log": False},
        "connect_timeout_seconds": {"type": "int", "default": 5},
        "plaintext": {"type": "bool", "default": False},
        "hosts": {"type": "list", "elements": "str", "default": []},
    },
)


class Login:
    """How to reach and log in to any member of one replica set."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = {**{name: option.get("default") for name, option in LOGIN.options.items()}, **params}
        self._from_uri: dict[str, Any] | None = None
        if self._params["login_password"] and not self._params["login_user"]:
            message = sentence(
                expected="login_user together with login_password", found="none", remedy="give both or none of them"
            )
            raise FixInput(message, code="bad_connection_options")

    def seed(self) -> MongoClient[dict[str, Any]]:
        """Open the address that was given, whatever role that member has."""
        return self._open(self._params["login_uri"] or self._address(), directconnection=self._single_seed())

    def member(self, address: str) -> MongoClient[dict[str, Any]]:
        """Open one member by its address in the replica set, with the credentials that were given."""
        return self._open(f"mongodb://{address}/", directconnection=True, **self._uri_options())

    def at(self, uri: str) -> MongoClient[dict[str, Any]]:
        """Open another replica set, with the credentials that were given."""
        return self._open(uri, **self._uri_options())

    def _address(self) -> str:
        host = str(self._params["login_host"])
        bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"mongodb://{bracketed}:{self._params['login_port']}/"

    def _single_seed(self) -> bool:
        uri = self._params["login_uri"]
        return not uri or (uri.startswith("mongodb://") and "," not in uri)

    def _uri_options(self) -> dict[str, Any]:
        """Return what the URI says about logging in: a member's own address carries none of it."""
        if self._from_uri is None:
            # Once: the address of a mongodb+srv URI is a question to the name server.
            self._from_uri = self._parsed(self._params["login_uri"])
        return self._from_uri

    @staticmethod
    def _parsed(uri: str | None) -> dict[str, Any]:
        if not uri:
            return {}
        # Unvalidated, because validating also converts units, and the client will do so again.
        parsed = parse_uri(uri, validate=False)
        kept = {key.lower(): value for key, value in parsed["options"].items()}
        if parsed["username"]:
            external = kept.get("authmechanism") in _EXTERNAL
            source = {"authsource": "$external" if external else parsed["database"] or "admin"}
            kept = {**source, **kept, "username": parsed["username"], "password": parsed["password"]}
            if not parsed["password"]:  # a certificate is its own, and the parser makes none an empty one
                del kept["password"]
        return {key: value for key, value in kept.items() if key not in _ABOUT_THE_SET}

    def _open(self, uri: str, **options: Any) -> MongoClient[dict[str, Any]]:
        timeout = self._params["connect_timeout_seconds"] * 1000
        limits = {"serverselectiontimeoutms": timeout, "connecttimeoutms": timeout, "sockettimeoutms": 4 * timeout}
        given = {**limits, "appname": "mongodb_ops.backup", **options, **self._login_options()}
        trust = Trust(says_tls(uri, given), bool(self._params["plaintext"]), self._params["hosts"] or ())
        refused = next(filter(None, map(trust.why_not, addresses(uri))), "")
        if refused:
            MongoClient(uri, connect=False, **given).close()  # what is wrong with the options is said first
            raise FixInput(refused, code="not_safe")
        known = {**(self._uri_options() if uri == self._params["login_uri"] else {}), **given}
        if "username" in known and "authmechanism" not in known:
            given["authmechanism"] = MECHANISM
        bound_messages()
        return MongoClient(uri, server_selector=lambda servers: [one for one in servers if _safe(trust, one)], **given)

    def _login_options(self) -> dict[str, Any]:
        named = {
            "username": self._params["login_user"],
            "password": self._params["login_password"],
            "authmechanism": self._params["auth_mechanism"],
            "tls": self._params["tls"] or None,
            "tlscafile": self._params["tls_ca_file"],
            "tlscertificatekeyfile": self._params["tls_certificate_key_file"],
            "tlscertificatekeyfilepassword": self._params["tls_certificate_key_file_password"],
            "tlscrlfile": self._params["tls_crl_file"],
            "tlsallowinvalidcertificates": self._params["ssl_cert_reqs"] == "CERT_NONE" or None,
        }
        given = {name: value for name, value in named.items() if value is not None}
        external = self._params["auth_mechanism"] in _EXTERNAL
        if self._params["login_user"]:
            given["authsource"] = "$external" if external else self._params["login_database"]
        return {**given, **dict(_pairs(self._params["connection_options"] or []))}


def _pairs(options: list[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the further options of the driver, given as mappings or as name=value."""
    for option in options:
        if isinstance(option, Mapping):
            yield from ((str(name).lower(), value) for name, value in option.items())
            continue
        name, equals, value = str(option).partition("=")
        if not equals or not name:
            # Not quoted: it may hold a secret.
            found = "an item that is neither"
            expected = "connection_options to hold name=value or mappings"
            raise FixInput(sentence(expected=expected, found=found, remedy="correct it"), code="bad_connection_options")
        yield name.strip().lower(), value.strip()


def _safe(trust: Trust, server: Any) -> bool:
    """Say whether one may log in at a server that the driver has heard of."""
    host, port = server.address
    return not trust.why_not(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if port else host)


#: Unless another one is named. A server that announces none would be sent SCRAM-SHA-1, which gives weak passwords away.
MECHANISM = "SCRAM-SHA-256"

#: Mechanisms whose users are not in a database.
_EXTERNAL = ("MONGODB-X509", "GSSAPI", "PLAIN")

_ABOUT_THE_SET = frozenset({"replicaset", "directconnection", "loadbalanced", "readpreference", "readpreferencetags"})
