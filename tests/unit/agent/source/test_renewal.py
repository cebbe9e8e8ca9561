"""When connections are made anew, and by which options."""

from __future__ import annotations

import gc
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backup_agent.config import Config
from backup_agent.errors import AccessRefused
from backup_agent.source.connections import BULK_SECONDS, SourceSet
from tests.unit.agent.jobs import configured


def source(here: Path, **changes: Any) -> Config:
    """Return the configuration of a job with a user, whose source nobody answers for."""
    (here / "word").touch(0o600)
    (here / "word").write_text("one\n")
    settings = {"uri": "mongodb://127.0.0.1:1/", "replica_set": "rs0", "connect_timeout_seconds": 0.1}
    user = {"username": "backup", "password_file": str(here / "word")}
    return configured(here, source={**settings, **user, **changes})


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[SourceSet]:
    """Give connections by a password."""
    with closing(SourceSet(source(tmp_path))) as found:
        yield found


def test_a_connection_stays_while_its_files_do(sources: SourceSet) -> None:
    """Nothing is connected twice for nothing."""
    assert sources.client("127.0.0.1:1") is sources.client("127.0.0.1:1")
    assert sources.seeds() is sources.seeds()


def test_a_changed_password_makes_new_connections(sources: SourceSet, tmp_path: Path) -> None:
    """Also one of the same length, and one that was put in the old one's place."""
    first, seeds = sources.client("127.0.0.1:1"), sources.seeds()
    (tmp_path / "word").write_text("two\n")
    os.utime(tmp_path / "word", ns=(1, 1))
    second = sources.client("127.0.0.1:1")
    (tmp_path / "new").touch(0o600)
    (tmp_path / "new").write_text("six\n")
    os.utime(tmp_path / "new", ns=(1, 1))
    (tmp_path / "new").replace(tmp_path / "word")
    third = sources.client("127.0.0.1:1")
    assert seeds is not sources.seeds()
    assert ["two", "six"] == [found.options._options["password"] for found in (second, third)]
    assert first is not second is not third


def test_what_the_configuration_says_counts_more_than_the_uri(tmp_path: Path) -> None:
    """The URI's own options count where the configuration has none."""
    uri = "mongodb://127.0.0.1:1/?authSource=users&authMechanism=SCRAM-SHA-1&compressors=zlib"
    with closing(SourceSet(source(tmp_path, uri=uri))) as sources:
        found = sources.client("127.0.0.1:1").options._options
        assert ("users", "SCRAM-SHA-1") == (found["authsource"], found["authmechanism"])
    changes = {"uri": uri, "auth_source": "admin", "auth_mechanism": "SCRAM-SHA-256"}
    with closing(SourceSet(source(tmp_path, **changes))) as sources:
        found = sources.client("127.0.0.1:1").options._options
        assert ("admin", "SCRAM-SHA-256") == (found["authsource"], found["authmechanism"])


def test_connections_that_were_replaced_live_as_long_as_somebody_holds_them(sources: SourceSet, tmp_path: Path) -> None:
    """Another thread may be reading by one. Otherwise a password that is changed each day must not fill the memory."""
    held, others = sources.client("127.0.0.1:1"), []
    for number in range(4):
        (tmp_path / "word").write_text(f"{number}\n")
        os.utime(tmp_path / "word", ns=(number, number))
        others.append(weakref.ref(sources.client("127.0.0.1:1")))
    assert not held._closed
    wait_until_gone(others[:-1])
    assert others[-1]() is not None


def wait_until_gone(references: list[weakref.ref[Any]]) -> None:
    """Wait until nobody holds these any more: the driver's own threads do for a moment."""
    deadline = time.monotonic() + 20
    while any(reference() is not None for reference in references):
        assert time.monotonic() < deadline
        gc.collect()
        time.sleep(0.05)


def test_closing_what_is_for_much_data_leaves_the_others_alone(tmp_path: Path) -> None:
    """Also where both may take as long: capture reads on by one while an operation ends."""
    with closing(SourceSet(source(tmp_path, answer_timeout_seconds=BULK_SECONDS))) as sources:
        prompt, bulk = sources.prompt("127.0.0.1:1"), sources.client("127.0.0.1:1")
        sources.close_bulk()
        assert (False, True) == (prompt._closed, bulk._closed)
        assert prompt is sources.prompt("127.0.0.1:1")


@pytest.mark.parametrize("name", ["ca_file", "certificate_key_file"])
def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path, name: str) -> None:
    """A certificate that cannot be read may be whole in a moment; so may a password that is no text."""
    (tmp_path / "half.pem").touch(0o600)
    (tmp_path / "half.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIC")
    with closing(SourceSet(source(tmp_path, tls={name: str(tmp_path / "half.pem")}))) as sources:
        with pytest.raises(AccessRefused) as refused:
            sources.client("127.0.0.1:1")
        assert "certificate" == refused.value.cause
    with closing(SourceSet(source(tmp_path))) as sources:
        (tmp_path / "word").write_bytes(b"\xff")
        with pytest.raises(AccessRefused, match="UTF-8"):
            sources.client("127.0.0.1:1")


def test_hostnames_count_as_the_uri_says_where_the_configuration_says_nothing(tmp_path: Path) -> None:
    """A block about TLS without that setting leaves it alone."""
    uri = "mongodb://127.0.0.1:1/?tls=true&tlsAllowInvalidHostnames=true"
    for tls, expected in (({}, True), ({"allow_invalid_hostnames": False}, False)):
        with closing(SourceSet(source(tmp_path, uri=uri, tls=tls))) as sources:
            assert expected is sources.client("127.0.0.1:1").options._options["tlsallowinvalidhostnames"]


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It passes once the file is there: somebody may be renewing it at this moment."""
    tls = {"ca_file": str(tmp_path / "missing.pem")}
    with closing(SourceSet(source(tmp_path, tls=tls))) as sources, pytest.raises(AccessRefused, match=r"missing\.pem"):
        sources.client("127.0.0.1:1")
