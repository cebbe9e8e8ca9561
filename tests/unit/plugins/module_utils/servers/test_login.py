# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins: what becomes of the options of the modules."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.resolver
import dns.rrset
import pytest
import yaml
from pymongo.errors import PyMongoError

from ansible_collections.mongodb_ops.backup.plugins.doc_fragments.login import ModuleDocFragment
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.login import LOGIN, Login
from tests.unit.rogue import rogue

SECRET = "s3cret%40word"


def login(**params: Any) -> Login:
    """Return a login with these options, and defaults for the others."""
    return Login(params)


class TestLogin:
    def test_seed_is_asked_directly(self) -> None:
        """The member that was named answers, even where the set has another primary."""
        with login(login_host="::1", login_port=1).seed() as client:
            assert client.options.direct_connection is True
            assert ("::1", 1) == client._topology_settings.seeds.copy().pop()

    def test_members_get_the_credentials_of_the_uri(self) -> None:
        """A member is reached by its own address, which has no credentials and options in it."""
        uri = f"mongodb://joe:{SECRET}@a:1,b:2/?replicaSet=rs0&authSource=users&tls=true&serverSelectionTimeoutMS=1500"
        with login(login_uri=uri).member("b:2") as client:
            credentials = client.options.pool_options._credentials
            assert ("joe", "s3cret@word", "users") == (credentials.username, credentials.password, credentials.source)
            assert client.options.pool_options._ssl_context is not None
            assert 1.5 == client.options.server_selection_timeout
            assert client.options.direct_connection is True

    def test_options_win_over_the_uri(self) -> None:
        """A password from the vault must not lose against one that somebody left in a URI."""
        given = {"login_uri": "mongodb://joe:old@a:1/", "login_user": "ann", "login_password": "new"}
        with login(**given, plaintext=True).member("a:1") as client:
            credentials = client.options.pool_options._credentials
            assert ("ann", "new", "admin") == (credentials.username, credentials.password, credentials.source)

    def test_external_mechanisms_have_their_own_source(self) -> None:
        """These users are not in any database."""
        params = {"login_user": "ann", "login_password": "x", "auth_mechanism": "PLAIN"}
        with login(**params).seed() as client:
            assert "$external" == client.options.pool_options._credentials.source

    def test_x509_needs_no_name(self) -> None:
        """The certificate is the name."""
        with login(auth_mechanism="MONGODB-X509", tls=True).seed() as client:
            credentials = client.options.pool_options._credentials
            assert ("MONGODB-X509", "$external") == (credentials.mechanism, credentials.source)

    def test_x509_with_a_name_in_the_uri(self) -> None:
        """A member gets the name as well, and no password that nobody gave."""
        uri = "mongodb://CN%3Dchecker@a:1/?authMechanism=MONGODB-X509&tls=true"
        with login(login_uri=uri).member("b:1") as client:
            credentials = client.options.pool_options._credentials
            assert ("CN=checker", "$external") == (credentials.username, credentials.source)

    def test_further_options_win(self) -> None:
        """Both forms of community.mongodb are taken."""
        with login(connection_options=["appName=mine", {"serverSelectionTimeoutMS": 700}]).seed() as client:
            assert ("mine", 0.7) == (client.options.pool_options.appname, client.options.server_selection_timeout)

    @pytest.mark.parametrize("params", [{"connection_options": [SECRET]}, {"login_password": SECRET}])
    def test_half_an_option(self, params: dict[str, Any]) -> None:
        """A password without a user, or a word that is no option, is refused and not shown."""
        with pytest.raises(FixInput) as caught:
            login(**params).seed()
        assert SECRET not in str(caught.value.failure())

    def test_documentation_has_every_option(self) -> None:
        """What is documented, is taken, and the other way round."""
        documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
        assert set(LOGIN.options) == set(documented)


#: What a member says of itself. It names no mechanisms, as if it knew but the oldest.
MEMBER = {"setName": "rs0", "secondary": True, "maxBsonObjectSize": 16777216, "hosts": [], "setVersion": 1}


class TestTrust:
    @pytest.mark.parametrize(
        "params",
        [
            {"login_host": "db1.example.com"},
            {"login_uri": "mongodb://127.0.0.1:1,db1.example.com/"},
            {"login_uri": "mongodb://db1.example.com/?tls=true", "connection_options": ["tls=false"]},
            {"login_uri": "mongodb://db1.example.com/", "connection_options": [{"ssl": False}]},
        ],
    )
    def test_without_tls_nobody_is_asked_on_another_machine(self, params: dict[str, Any]) -> None:
        """Unless it is on purpose."""
        with pytest.raises(FixInput, match=r"Expected TLS on the way to db1\.example\.com") as caught:
            login(**params).seed()
        assert "not_safe" == caught.value.code
        login(**params, plaintext=True).seed().close()

    @pytest.mark.parametrize(
        "options", [{"tls": True}, {"connection_options": ["tls=true"]}, {"hosts": ["DB*.example.com"], "tls": True}]
    )
    def test_with_tls_all_members_are_asked(self, options: dict[str, Any]) -> None:
        """However it is switched on."""
        with login(**options).member("db1.example.com:27017") as client:
            assert [("db1.example.com", 27017)] == list(client.topology_description.server_descriptions())

    def test_a_member_that_the_set_names_is_not_asked_without_tls(self) -> None:
        """It is its own address that counts, not the one that was given."""
        with pytest.raises(FixInput, match=r"TLS on the way to db2\.example\.com:27017"):
            login(login_host="127.0.0.1").member("db2.example.com:27017")

    def test_a_rogue_member_gets_no_login(self) -> None:
        """The seed tells of a member that is on a host that nobody has named: the driver connects to it, and does not log in."""
        user = {"login_user": "joe", "login_password": "x", "connect_timeout_seconds": 1}
        with rogue(MEMBER) as bad:
            by_name = bad.address.replace("127.0.0.1", "localhost")
            with rogue({**MEMBER, "hosts": [by_name], "primary": by_name}) as seed:
                bad.hello |= {"hosts": [by_name], "me": by_name, "isWritablePrimary": True, "secondary": False}
                uri = f"mongodb://{seed.address},127.0.0.1:1/?replicaSet=rs0"
                for hosts, expected in ((["127.0.0.1"], False), (["127.0.0.1", "localhost"], True)):
                    with pytest.raises(PyMongoError), login(login_uri=uri, hosts=hosts, **user).seed() as client:
                        client.admin.command("ping")
                    assert expected is bool(bad.logins), hosts
            with pytest.raises(FixInput, match=r"at one of db\*\.example\.com"):
                login(hosts=["db*.example.com"], **user).member(by_name)

    def test_a_server_that_names_no_mechanism_gets_the_strong_one(self) -> None:
        """What it would be sent otherwise can be cracked on its disk."""
        for params in ({"login_user": "joe", "login_password": "x"}, {}):
            with rogue(MEMBER) as server:
                uri = f"mongodb://{'' if params else 'joe:x@'}{server.address}/"
                with (
                    pytest.raises(PyMongoError),
                    login(login_uri=uri, connect_timeout_seconds=1, **params).seed() as client,
                ):
                    client.admin.command("ping")
                assert {"SCRAM-SHA-256"} == {one["mechanism"] for one in server.logins}

    def test_another_mechanism_is_asked_for_by_name(self) -> None:
        """By an option or by the URI."""
        for uri, params in (("?authMechanism=SCRAM-SHA-1", {}), ("", {"auth_mechanism": "SCRAM-SHA-1"})):
            with login(login_uri=f"mongodb://joe:x@127.0.0.1/{uri}", **params).seed() as client:
                assert "SCRAM-SHA-1" == client.options.pool_options._credentials.mechanism


RECORDS = {
    ("_mongodb._tcp.orders.db.example.com.", "SRV"): ["0 0 1 a.db.example.com.", "0 0 2 b.db.example.com."],
    ("orders.db.example.com.", "TXT"): ['"authSource=users&replicaSet=orders"'],
}


def answer(wire: bytes) -> bytes:
    """Answer a question to the name server."""
    question = dns.message.from_wire(wire)
    name, kind = question.question[0].name.to_text(), dns.rdatatype.to_text(question.question[0].rdtype)
    reply = dns.message.make_response(question)
    reply.flags |= dns.flags.RA
    if (name, kind) in RECORDS:
        reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *RECORDS[name, kind]))
    return reply.to_wire()


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Run a name server on this host and ask nobody else; returns what it was asked, as it comes in."""
    asked: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    wire, peer = server.recvfrom(4096)
                except TimeoutError:
                    continue
                asked.append(dns.message.from_wire(wire).question[0].to_text())
                server.sendto(answer(wire), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], server.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        yield asked
        over.set()
        thread.join()


class TestSrv:
    @pytest.mark.usefixtures("name_server")
    def test_the_name_server_says_where_and_how(self) -> None:
        """The members come from its SRV record, options from its TXT record, and TLS is on."""
        found = login(login_uri=f"mongodb+srv://joe:{SECRET}@orders.db.example.com/")
        with found.seed() as client:
            seeds = {("a.db.example.com", 1), ("b.db.example.com", 2)}
            assert seeds == client._topology_settings.seeds
            assert "orders" == client.options.replica_set_name
        with found.member("b.db.example.com:2") as client, found.member("a.db.example.com:1"):
            credentials = client.options.pool_options._credentials
            assert ("joe", "s3cret@word", "users") == (credentials.username, credentials.password, credentials.source)
            assert client.options.pool_options._ssl_context is not None
            assert client.options.direct_connection is True

    def test_it_is_asked_once_for_all_members(self, name_server: list[str]) -> None:
        """A slow name server is not waited for again and again."""
        found = login(login_uri="mongodb+srv://orders.db.example.com/")
        with found.member("a.db.example.com:1"), found.member("b.db.example.com:2"):
            assert 1 == sum("SRV" in question for question in name_server)
