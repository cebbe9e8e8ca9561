"""Reading a replica set that takes nothing but TLS, with a login by password or by certificate."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import BackupError
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.login import Login
from ansible_collections.mongodb_ops.backup.plugins.module_utils.window_check import Asked, read_replica_set
from lab import Member, ReplicaSet
from lab.certificates import PASSWORD, Certificates
from tests.integration import task

Options = dict[str, Any]


@dataclass
class Secured:
    """The set, and the options of a login that works."""

    replica_set: ReplicaSet
    certificates: Certificates
    seed: Options
    password: Options
    tls: Options


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Return a set that wants a certificate and a login; the certificate's name is a user as well."""
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    with ReplicaSet("orders", [Member(priority=2), Member()], auth=True, certificates=certificates) as replica_set:
        assert replica_set.root is not None
        with replica_set.client() as client:
            roles = [{"role": "clusterMonitor", "db": "admin"}, {"role": "read", "db": "local"}]
            client["$external"].command("createUser", certificates.subject, roles=roles, writeConcern={"w": "majority"})
        host, port = replica_set.addresses[0].split(":")
        files = {"tls_ca_file": str(certificates.ca), "tls_certificate_key_file": str(certificates.client)}
        yield Secured(
            replica_set,
            certificates,
            {"login_host": host, "login_port": int(port), "connect_timeout_seconds": 2},
            {"login_user": replica_set.root.name, "login_password": replica_set.root.password},
            {"tls": True, **files},
        )


def read(secured: Secured, **options: Any) -> Options:
    """Read the set with these options, like all modules do."""
    return read_replica_set(Login({**secured.seed, **options}), Asked(min_hours=0))


class TestWorks:
    def test_password(self, secured: Secured) -> None:
        """All members are read, which each has a connection of its own."""
        found = read(secured, **secured.password, **secured.tls)
        assert ("ok", 2, "orders") == (found["verdict"], len(found["members"]), found["replica_set"])
        assert found["write_rate"] is not None

    def test_certificate(self, secured: Secured) -> None:
        """No password at all."""
        assert "ok" == read(secured, **secured.tls, auth_mechanism="MONGODB-X509")["verdict"]

    def test_encrypted_key(self, secured: Secured) -> None:
        """The key's password is an option, by both of its names."""
        locked = {**secured.tls, "tls_certificate_key_file": str(secured.certificates.locked)}
        by_certificate = {**locked, "auth_mechanism": "MONGODB-X509"}
        assert "ok" == read(secured, **by_certificate, tls_certificate_key_file_password=PASSWORD)["verdict"]

    def test_uri(self, secured: Secured) -> None:
        """Everything in the connection string: also the members' own connections have it."""
        files = f"tlsCAFile={secured.certificates.ca}&tlsCertificateKeyFile={secured.certificates.client}"
        found = read(secured, login_uri=f"{secured.replica_set.uri}&tls=true&{files}")
        assert ["ok", "ok"] == [member["verdict"] for member in found["members"]]

    def test_task(self, secured: Secured, tmp_path: Path) -> None:
        """As a task, with the names of community.mongodb, and no secret in what it returns."""
        names = {
            "ssl": True,
            "ssl_ca_certs": str(secured.certificates.ca),
            "ssl_certfile": str(secured.certificates.locked),
        }
        options = {**secured.seed, **names, "ssl_pem_passphrase": PASSWORD, **secured.password, "min_hours": 0}
        succeeded, result = task.play("mongodb_ops.backup.oplog_window_info", tmp_path, options)
        assert (True, "ok") == (succeeded, result["verdict"])
        assert PASSWORD not in str(result)
        assert secured.password["login_password"] not in str(result)


CLOSED = "found a connection that was closed at once, as by a server that wants TLS"


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (CLOSED, {"tls": False, "tls_ca_file": None, "tls_certificate_key_file": None}),
        (CLOSED, {"tls_certificate_key_file": None}),
        (CLOSED, {"tls_certificate_key_file": "stranger"}),
        ("found a certificate that tls_ca_file does not vouch for", {"tls_ca_file": "other_ca"}),
        ("found a certificate that tls_crl_file revokes", {"tls_crl_file": "revoked"}),
        ("found a certificate that is for another name", {"login_host": "localhost"}),
        ("found no readable file /nowhere.pem", {"tls_ca_file": "/nowhere.pem"}),
        ("found a key that cannot be read", {"tls_certificate_key_file": "locked", "ssl_wrong": True}),
        ("check login_user, login_password", {"login_password": "wrong"}),
    ],
)
def test_what_is_wrong_is_said(expected: str, changes: Options, secured: Secured) -> None:
    """One line, with the option to correct, and without the password."""
    named = {
        key: str(getattr(secured.certificates, str(value), value)) if value else value for key, value in changes.items()
    }
    if named.pop("ssl_wrong", None):
        named["tls_certificate_key_file_password"] = "wrong"
    with pytest.raises(BackupError) as caught:
        read(secured, **{**secured.password, **secured.tls, **named})
    print(caught.value.message)
    assert expected in caught.value.message
    assert "\n" not in caught.value.message
    assert secured.password["login_password"] not in str(caught.value.failure())


def test_an_expired_certificate(secured: Secured) -> None:
    """Not the authority is wrong then. A TLS server of our own shows it: a mongod does not start with one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secured.certificates.expired)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet, args=(listener, context, over))
        thread.start()
        try:
            with pytest.raises(BackupError) as caught:
                read(secured, **secured.password, **secured.tls, login_port=listener.getsockname()[1])
        finally:
            over.set()
            thread.join()
    print(caught.value.message)
    assert "found a certificate that has expired; renew the certificate of the mongod" in caught.value.message


def greet(listener: socket.socket, context: ssl.SSLContext, over: threading.Event) -> None:
    """Begin TLS with everybody who comes, until it is over."""
    listener.settimeout(0.2)
    while not over.is_set():
        with contextlib.suppress(OSError):
            peer, _address = listener.accept()
            peer.settimeout(2)
            with peer, context.wrap_socket(peer, server_side=True):
                pass
