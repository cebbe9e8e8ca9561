"""Which members are read, and how they are reached: sets as people configure them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bson import CodecOptions, encode
from bson.raw_bson import RawBSONDocument
from harness import Agent, an_agent, assert_equal, wait_until
from hold import Hold
from resolver import answering, program

from backup_agent.config import load
from backup_agent.source.connections import SourceSet
from lab import Member, ReplicaSet
from lab.certificates import Certificates
from lab.mongod import Mongod

ANY_TEXT: CodecOptions[dict[str, Any]] = CodecOptions(unicode_decode_error_handler="replace")


def one_document(replica_set: ReplicaSet) -> None:
    """Write something, so that there is a backup."""
    with replica_set.client(w="majority") as client:
        client["shop"]["orders"].insert_one({"_id": 1, "name": "a"})
        client["shop"]["orders"].create_index("name")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ReplicaSet]:
    """Give a set with a hidden member that builds no indexes, and another secondary."""
    settings = {"buildIndexes": False, "priority": 0, "hidden": True, "votes": 0}
    with ReplicaSet(
        "rs0", [Member(), Member(priority=0), Member(settings=settings)], directory=tmp_path / "rs"
    ) as found:
        one_document(found)
        yield found


def test_nothing_is_copied_from_a_member_without_indexes(bare: ReplicaSet, tmp_path: Path) -> None:
    """Though it is hidden and made for backups: it is refused by name, and its oplog is followed when no other is left."""
    with an_agent(tmp_path / "a", bare) as agent:
        agent.start()
        agent.wait_operation()
        assert_equal(agent, bare)
        _, found = agent.call("sources")
        reasons = {member["member"]: member["reason"] for member in found["members"]}
        assert "builds no indexes" in reasons[bare.addresses[2]]
        with bare.client() as client:
            config = client.admin.command("replSetGetConfig")["config"]
            left = [member for member in config["members"] if member["host"] != bare.addresses[1]]
            client.admin.command("replSetReconfig", {**config, "members": left, "version": config["version"] + 1})
        wait_until("the member without indexes is followed", lambda: agent.status()["source"] == bare.addresses[2])
        with bare.client(w="majority") as client:
            client["shop"]["orders"].insert_one({"_id": 2, "name": "b"})
        assert_equal(agent, bare)
        code, plan = agent.call("resync", "--dry-run", "--policy", "always", "--owner", "tests")
        assert code != 0
        assert "builds no indexes" in str(plan)


def tag(replica_set: ReplicaSet, value: bytes) -> None:
    """Give a member a tag of any four bytes, as any program can."""
    with replica_set.client() as client:
        config = client.admin.command("replSetGetConfig", codec_options=ANY_TEXT)["config"]
        config["version"] += 1
        config["members"][1]["tags"] = {"use": "XXXX"}
        client.admin.command("replSetReconfig", RawBSONDocument(encode(config).replace(b"XXXX", value)))


def test_ipv6(tmp_path: Path) -> None:
    """Members are named by literals of IPv6, in the configuration of the set and in the URI; a tag may be any bytes."""
    with ReplicaSet("rs0", 2, directory=tmp_path / "rs", host="::1") as replica_set:
        one_document(replica_set)
        with an_agent(tmp_path / "a", replica_set) as agent:
            agent.start()
            agent.wait_operation()
            assert_equal(agent, replica_set)
            code, found = agent.call("sources")
            assert (0, True) == (code, found["chosen"].startswith("[::1]:"))
            assert 0 == agent.call("check-config")[0]
            assert all(member["ok"] for member in agent.call("resources")[1]["members"])
            tag(replica_set, b"\xff\xfe\xfd\xfc")
            code, found = agent.call("sources")
            assert (0, {"use": r"\xff\xfe\xfd\xfc"}) == (code, found["members"][1]["tags"])
            # The driver makes no new connection to that member: the only one to follow is waited for, and why is said.
            agent.stop()
            agent.start()
            wait_until("it says why", lambda: "is not UTF-8" in str(agent.status()) or None, 120)
            tag(replica_set, b"text")
            with replica_set.client(w="majority") as client:
                client["shop"]["orders"].insert_one({"_id": 2, "name": "b"})
            assert_equal(agent, replica_set)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Give the certificates of a set."""
    return Certificates(tmp_path_factory.mktemp("certificates"), host="localhost")


def test_the_options_of_a_uri_count_for_each_member(certificates: Certificates, tmp_path: Path) -> None:
    """TLS is switched on and configured by the URI alone."""
    with ReplicaSet("rs0", 2, directory=tmp_path / "rs", certificates=certificates, auth=True) as replica_set:
        one_document(replica_set)
        files = f"tlsCAFile={certificates.ca}&tlsCertificateKeyFile={certificates.client}"
        uri = f"{replica_set.bare_uri}&tls=true&{files}&readPreference=primary"
        with an_agent(tmp_path / "a", replica_set, source__uri=uri) as agent:
            agent.start()
            agent.wait_operation()
            assert "tailing" == agent.wait_state("tailing")["state"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another resolver")
@pytest.mark.release
def test_the_resolver_names_the_members(tmp_path: Path) -> None:
    """With `mongodb+srv` the members are asked for by name; those that are named later are found, too, and without a restart."""
    name, domain = "orders.rs.example.test", "rs.example.test"
    with ReplicaSet("rs0", 2, directory=tmp_path / "rs", auth=True) as replica_set:
        one_document(replica_set)
        ports = [mongod.port for mongod in replica_set.mongods]
        records = {
            (f"_mongodb._tcp.{name}", "SRV"): [f"0 0 1 a.{domain}."],
            (name, "TXT"): ['"authSource=admin"'],
            (f"a.{domain}", "A"): ["127.0.0.1"],
            (f"b.{domain}", "A"): ["127.0.0.1"],
        }
        uri = f"mongodb+srv://{name}/?tls=false&authSource=admin"
        changes = {"source__uri": uri, "source__plaintext": True}  # the names are no names of loopback
        with answering(records), an_agent(tmp_path / "a", replica_set, **changes) as agent:
            agent.program = program(tmp_path)
            agent.start()
            wait_until("it waits", lambda: f"a.{domain}:1 said: refused" in agent.log)
            records[f"_mongodb._tcp.{name}", "SRV"] = [
                f"0 0 {port} {host}.{domain}." for port, host in zip(ports, "ab", strict=True)
            ]
            agent.wait_operation()
            assert_equal(agent, replica_set)


def test_members_are_reached_by_the_horizon_of_the_seeds(certificates: Certificates, tmp_path: Path) -> None:
    """The set has other names for the outside: where the URI uses those, each member is connected to by them."""
    with ReplicaSet("rs0", 2, directory=tmp_path / "rs", certificates=certificates) as replica_set:
        outside = [f"localhost:{mongod.port}" for mongod in replica_set.mongods]
        with replica_set.client() as client:
            config = client.admin.command("replSetGetConfig")["config"]
            config["version"] += 1
            for member, address in zip(config["members"], outside, strict=True):
                member["horizons"] = {"outside": address}
            client.admin.command("replSetReconfig", config)
        one_document(replica_set)
        tls = {"ca_file": str(certificates.ca), "certificate_key_file": str(certificates.client)}
        uri = f"mongodb://{outside[0]}/"
        prefer = [outside[1]]
        with an_agent(tmp_path / "a", replica_set, source__uri=uri, source__tls=tls, source__prefer=prefer) as agent:
            with closing(SourceSet(load(agent.file))) as sources:
                found = sources.topology()
                assert set(replica_set.addresses) == {member.member for member in found.members}
                assert () == found.warnings
                for address, name in zip(replica_set.addresses, outside, strict=True):
                    assert name == sources.client(address).admin.command("hello")["me"]
            agent.start()
            agent.wait_operation()
            assert "tailing" == agent.wait_state("tailing")["state"]


def alerts(agent: Agent) -> list[dict[str, Any]]:
    """Return the open alerts about access."""
    return [alert for alert in agent.status()["alerts"] if alert["kind"] == "access_refused"]


def test_a_changed_password_is_read_again(tmp_path: Path) -> None:
    """Until its file is right the alert says which file was read when; then the agent goes on without a restart."""
    with ReplicaSet("rs0", 2, directory=tmp_path / "rs", auth=True) as replica_set:
        one_document(replica_set)
        with an_agent(tmp_path / "a", replica_set) as agent, replica_set.client() as client:
            agent.start()
            agent.wait_operation()
            pid = agent.wait_state("tailing")["agent"]["pid"]
            assert replica_set.backup is not None
            client.admin.command("updateUser", replica_set.backup.name, pwd="renewed")
            for number in range(2):  # an open connection stays logged in
                replica_set.kill_member(number)
                replica_set.restart_member(number, wait=number == 1)
            (alert,) = wait_until("the login is refused", lambda: alerts(agent))
            assert "login" == alert["cause"]
            assert f"{tmp_path}/a/user-password was read at 20" in alert["detail"]["message"]
            (tmp_path / "a" / "user-password").write_text("renewed\n")
            wait_until("it goes on", lambda: not alerts(agent), seconds=60)
            client["shop"]["orders"].insert_one({"_id": 2})
            assert_equal(agent, replica_set)
            assert pid == agent.status()["agent"]["pid"]


@pytest.mark.release
def test_a_resync_waits_for_the_password(tmp_path: Path) -> None:
    """The member that is copied from was restarted, and asks for the new one; the primary still knows the connection."""
    members = [Member(priority=2), Member(priority=0)]
    with ReplicaSet("rs0", members, directory=tmp_path / "rs", auth=True) as replica_set:
        one_document(replica_set)
        with an_agent(tmp_path / "a", replica_set, copy_threads=1) as agent, replica_set.client() as client:
            client["shop"]["items"].insert_one({"_id": 1})
            hold = Hold(tmp_path)
            agent.start(copy_collection_done=hold.action)
            hold.wait()
            assert replica_set.backup is not None
            client.admin.command("updateUser", replica_set.backup.name, pwd="renewed", writeConcern={"w": "majority"})
            replica_set.kill_member(1)
            replica_set.restart_member(1)
            hold.release()
            wait_until("it waits", lambda: "password" in str((agent.operation()["progress"] or {}).get("text")))
            (alert,) = wait_until("the login is refused", lambda: alerts(agent))
            assert f"{tmp_path}/a/user-password was read at 20" in alert["detail"]["message"]
            time.sleep(30)  # more than any number of attempts that a copy has
            (tmp_path / "a" / "user-password").write_text("renewed\n")
            agent.wait_operation()
            wait_until("the alert is closed", lambda: not alerts(agent))
            assert_equal(agent, replica_set)


@pytest.mark.release
def test_a_renewed_authority_is_read_again(certificates: Certificates, tmp_path: Path) -> None:
    """An authority that does not know the members is the alert's cause; the file is replaced, and nothing restarted."""
    authority = tmp_path / "ca.pem"
    authority.write_bytes(certificates.other_ca.read_bytes())
    tls = {"ca_file": str(authority), "certificate_key_file": str(certificates.client)}
    with ReplicaSet("rs0", 2, directory=tmp_path / "rs", certificates=certificates) as replica_set:
        one_document(replica_set)
        authority.write_bytes(certificates.ca.read_bytes())
        with an_agent(tmp_path / "a", replica_set, source__tls=tls) as agent:
            agent.start()
            agent.wait_operation()
            authority.write_bytes(certificates.other_ca.read_bytes())
            for number in range(2):
                replica_set.kill_member(number)
                replica_set.restart_member(number, wait=number == 1)
            (alert,) = wait_until("the members are not trusted", lambda: alerts(agent))
            assert "certificate" == alert["cause"]
            assert str(authority) in alert["detail"]["message"]
            authority.write_bytes(certificates.ca.read_bytes())
            wait_until("it goes on", lambda: not alerts(agent), seconds=60)
            assert "tailing" == agent.wait_state("tailing")["state"]


def test_an_arbiter_that_refuses_the_login_says_nothing(tmp_path: Path) -> None:
    """It is all that is left while a resync copies, and knows no users: the resync waits for the others."""
    members = [Member(priority=2), Member(priority=0), Member(arbiter=True)]
    with ReplicaSet("rs0", members, directory=tmp_path / "rs", auth=True) as replica_set:
        with replica_set.client(w="majority") as client:
            for name in ("first", "second", "third"):
                client["shop"][name].insert_one({"_id": 1})
        with an_agent(tmp_path / "a", replica_set, copy_threads=1) as agent:
            hold = tmp_path / "go"
            agent.start(copy_collection_done=f"run:{waits(tmp_path, hold)}")
            wait_until("it copies", (tmp_path / "reached").exists)
            for number in (0, 1):
                replica_set.kill_member(number)
            hold.touch()
            wait_until(
                "all have been asked", lambda: "found none" in (agent.operation()["progress"] or {}).get("text", "")
            )
            text = agent.operation()["progress"]["text"]
            assert "waiting" in text, text
            assert "password" not in text, text
            for number in (0, 1):
                replica_set.restart_member(number)
            agent.wait_operation()
            assert_equal(agent, replica_set)


def waits(where: Path, hold: Path) -> Path:
    """Return a program that says that it was reached, and waits."""
    program = where / "hold.sh"
    program.write_text(f"#!/bin/sh\ntouch {where}/reached\nwhile [ ! -e {hold} ]; do sleep 0.05; done\n")
    program.chmod(0o755)
    return program


def problem(agent: Agent) -> str:
    """Return what check-config finds wrong with the source."""
    _, found = agent.call("check-config")
    return "\n".join(check["detail"] for check in found["checks"] if check["name"] == "source" and not check["ok"])


def test_what_is_no_member_of_the_set_is_said_in_a_sentence(tmp_path: Path) -> None:
    """A set of another name, a server without a set, and a closed port: each names the address and what is there."""
    with ReplicaSet("rs0", 2, directory=tmp_path / "rs") as replica_set:
        with an_agent(tmp_path / "a", replica_set, source__replica_set="orders") as agent:
            expected = "source.replica_set: expected the name of the set, found 'orders', but"
            assert problem(agent) in [f"{expected} {address} is in 'rs0'" for address in replica_set.addresses]
        closed = replica_set.addresses[1]
        replica_set.stop_member(1)
        with an_agent(tmp_path / "b", replica_set, source__uri=f"mongodb://{closed}/?replicaSet=rs0") as agent:
            assert f"found none: {closed} said: refused" in problem(agent)
            assert "Timeout" not in problem(agent)
        alone = Mongod(replica_set.binary, tmp_path / "alone", [])
        try:
            alone.start()
            alone.wait()
            with an_agent(tmp_path / "c", replica_set, source__uri=f"mongodb://{alone.address}/") as agent:
                assert f"found a mongod that is in no set at {alone.address}" in problem(agent)
        finally:
            alone.release()
