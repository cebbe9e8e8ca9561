# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to mongod: options, client, and the few reads that the modules need. The only user of pymongo here."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

try:
    from pymongo import MongoClient
    from pymongo.errors import (
        ConfigurationError,
        ConnectionFailure,
        InvalidURI,
        OperationFailure,
        PyMongoError,
        ServerSelectionTimeoutError,
    )
    from pymongo.uri_parser import parse_uri
except ImportError:
    HAS_PYMONGO = False
    PYMONGO_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    HAS_PYMONGO = True
    PYMONGO_IMPORT_ERROR = None

from ansible_collections.mongodb_ops.backup.plugins.module_utils.arguments import Arguments
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import (
    BackupError,
    FixInput,
    RetryLater,
    sentence,
)
from ansible_collections.mongodb_ops.backup.plugins.module_utils.oplog import Stamp, Window
from ansible_collections.mongodb_ops.backup.plugins.module_utils.topology import (
    Member,
    from_hello,
    from_status,
    state_of,
)

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
        "tls_ca_file": {"type": "path", "aliases": ["ssl_ca_certs"]},
        "tls_certificate_key_file": {"type": "path", "aliases": ["ssl_certfile"]},
        "connect_timeout_seconds": {"type": "int", "default": 5},
    },
)

_UNAUTHORIZED, _LOGIN_FAILED = 13, 18


class Login:
    """How to reach and log in to any member of one replica set."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params

    def seed(self) -> MongoClient[dict[str, Any]]:
        """Open the address that was given, whatever role that member has."""
        return self._open(self._params["login_uri"] or self._address(), directconnection=self._single_seed())

    def member(self, address: str) -> MongoClient[dict[str, Any]]:
        """Open one member by its address in the replica set, with the credentials that were given."""
        return self._open(f"mongodb://{address}/", directconnection=True, **self._uri_options())

    def _address(self) -> str:
        host = str(self._params["login_host"])
        bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return f"mongodb://{bracketed}:{self._params['login_port']}/"

    def _single_seed(self) -> bool:
        uri = self._params["login_uri"]
        return not uri or (uri.startswith("mongodb://") and "," not in uri)

    def _uri_options(self) -> dict[str, Any]:
        """Return what the URI says about logging in: a member's own address carries none of it."""
        uri = self._params["login_uri"]
        if not uri:
            return {}
        # Unvalidated, because validating also converts units, and the client will do so again.
        parsed = parse_uri(uri, validate=False)
        kept = {key.lower(): value for key, value in parsed["options"].items()}
        if parsed["username"]:
            source = {"authsource": parsed["database"] or "admin"}
            kept = {**source, **kept, "username": parsed["username"], "password": parsed["password"]}
        return {key: value for key, value in kept.items() if key not in _ABOUT_THE_SET}

    def _open(self, uri: str, **options: Any) -> MongoClient[dict[str, Any]]:
        timeout = self._params["connect_timeout_seconds"] * 1000
        limits = {"serverselectiontimeoutms": timeout, "connecttimeoutms": timeout, "sockettimeoutms": 4 * timeout}
        return MongoClient(uri, **{**limits, "appname": "mongodb_ops.backup", **options, **self._login_options()})

    def _login_options(self) -> dict[str, Any]:
        named = {
            "username": self._params["login_user"],
            "password": self._params["login_password"],
            "authmechanism": self._params["auth_mechanism"],
            "tls": self._params["tls"] or None,
            "tlscafile": self._params["tls_ca_file"],
            "tlscertificatekeyfile": self._params["tls_certificate_key_file"],
        }
        given = {name: value for name, value in named.items() if value is not None}
        external = self._params["auth_mechanism"] in ("MONGODB-X509", "GSSAPI", "PLAIN")
        if self._params["login_user"]:
            given["authsource"] = "$external" if external else self._params["login_database"]
        return given


_ABOUT_THE_SET = frozenset({"replicaset", "directconnection", "loadbalanced", "readpreference", "readpreferencetags"})


@contextmanager
def described(address: str) -> Iterator[None]:
    """Turn what pymongo raises into our classes. Its own texts can quote a URI or a command, so they are not passed on."""
    try:
        yield
    except OperationFailure as error:
        raise _refused(address, error) from None
    except (ConfigurationError, InvalidURI, ValueError, OSError) as error:
        found = f"options that the driver refuses ({type(error).__name__})"
        remedy = (
            "correct login_uri, auth_mechanism and the tls options; special characters in a URI must be percent-encoded"
        )
        message = sentence(expected=f"usable connection options for {address}", found=found, remedy=remedy)
        raise FixInput(message, code="bad_connection_options") from None
    except (ServerSelectionTimeoutError, ConnectionFailure) as error:
        found = f"no connection ({type(error).__name__})"
        remedy = "check that mongod runs there, that the address resolves from this host, and the tls options"
        message = sentence(expected=f"an answer from {address}", found=found, remedy=remedy)
        raise RetryLater(message, code="unreachable") from None
    except PyMongoError as error:
        found = f"a driver error ({type(error).__name__})"
        message = sentence(expected=f"an answer from {address}", found=found, remedy="try again")
        raise RetryLater(message, code="driver_error") from None


def _refused(address: str, error: OperationFailure) -> BackupError:
    found = f"a refusal (code {error.code})"
    if error.code == _UNAUTHORIZED:
        remedy = "give the user the roles clusterMonitor and read on the database local"
        expected = f"permission to read the replica set and its oplog on {address}"
        return FixInput(sentence(expected=expected, found=found, remedy=remedy), code="unauthorized")
    if error.code == _LOGIN_FAILED:
        remedy = "check login_user, login_password, login_database and auth_mechanism"
        return FixInput(sentence(expected=f"a login on {address}", found=found, remedy=remedy), code="login_failed")
    message = sentence(
        expected=f"an answer from {address}", found=found, remedy="see the log of that mongod for the reason"
    )
    return RetryLater(message, code="server_error")


def members(client: MongoClient[dict[str, Any]]) -> tuple[str, list[Member]]:
    """Return the name and the members of the replica set; less is known about them without clusterMonitor."""
    hello = client.admin.command("hello")
    name = hello.get("setName")
    if not name:
        found = "a mongos" if hello.get("msg") == "isdbgrid" else "a server outside of any replica set"
        message = sentence(expected="a member of a replica set", found=found, remedy="give the address of a member")
        raise FixInput(message, code="not_a_replica_set")
    try:
        return str(name), from_status(
            client.admin.command("replSetGetConfig"), client.admin.command("replSetGetStatus")
        )
    except OperationFailure as error:
        if error.code != _UNAUTHORIZED:
            raise
        return str(name), from_hello(hello)


def oplog(client: MongoClient[dict[str, Any]]) -> Any:
    """Return the oplog of the connected member as a collection."""
    return client.local["oplog.rs"]


def window(client: MongoClient[dict[str, Any]]) -> tuple[str, Window]:
    """Return the state that the connected member claims, and its oplog window."""
    state = state_of(client.admin.command("hello"))
    first, last = (_entry(client, direction) for direction in (1, -1))
    return state, Window(first, last, *_fill(client), min_retention_hours=_min_retention(client))


def _entry(client: MongoClient[dict[str, Any]], direction: int) -> Stamp:
    found = client.local["oplog.rs"].find_one({}, {"ts": 1, "_id": 0}, sort=[("$natural", direction)])
    if found is None:
        message = sentence(expected="entries in the oplog", found="none", remedy="check that the member is initialized")
        raise RetryLater(message, code="empty_oplog")
    return Stamp(found["ts"].time, found["ts"].inc)


def _fill(client: MongoClient[dict[str, Any]]) -> tuple[int | None, int | None, int | None]:
    """Return used and greatest size of the oplog, and its number of entries; a user without the right to ask gets none."""
    try:
        stats = next(iter(client.local["oplog.rs"].aggregate([{"$collStats": {"storageStats": {}}}])), {})
    except OperationFailure:
        return None, None, None
    storage = stats.get("storageStats", {})
    return _whole(storage.get("size")), _whole(storage.get("maxSize")), _whole(storage.get("count"))


def _min_retention(client: MongoClient[dict[str, Any]]) -> float | None:
    """Return for how many hours the server keeps entries at least; a user without the right to ask gets none."""
    try:
        found = client.admin.command("serverStatus")
    except OperationFailure:
        return None
    hours = found.get("oplogTruncation", {}).get("oplogMinRetentionHours")
    return None if hours is None else float(hours)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
