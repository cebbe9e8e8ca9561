"""What an error of the driver means."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from backup_agent.errors import AccessRefused, AgentError, BadConfiguration, Transient
from backup_agent.source.answers import asked, is_distrust, is_refusal, meaning, reason

REFUSED = OperationFailure("Authentication failed., full error: {…}", 18, {"errmsg": "Authentication failed."})
UNAUTHORIZED = OperationFailure("not authorized on admin", 13, {"errmsg": "not authorized on admin"})
DISTRUST = AutoReconnect(
    "a:1: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006) (configured timeouts: …)"
)
RESET = AutoReconnect("SSL handshake failed: a:1: [Errno 104] Connection reset by peer (configured timeouts: …)")
CLOSED = ServerSelectionTimeoutError(
    "a:1: [Errno 111] Connection refused (configured timeouts: …), Timeout: 5s, Topology …"
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (REFUSED, "login refused (Authentication failed.)"),
        (DISTRUST, "certificate (a:1: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006))"),
        (CLOSED, "refused (a:1: [Errno 111] Connection refused)"),
        (ServerSelectionTimeoutError("No servers found yet, Timeout: 5s"), "timed out (no answer)"),
        (AutoReconnect("Name or service not known"), "name not resolved (Name or service not known)"),
        (RESET, "no TLS (SSL handshake failed: a:1: [Errno 104] Connection reset by peer)"),
        (AutoReconnect("connection closed"), "connection closed"),
    ],
)  # fmt: skip
def test_why_a_member_did_not_answer(error: PyMongoError, words: str) -> None:
    """In a few words, and then the driver's own without its view of the set."""
    assert words == reason(error)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (REFUSED, AccessRefused, "bad_configuration"),
        (UNAUTHORIZED, BadConfiguration, "bad_configuration"),
        (DISTRUST, Transient, "unknown"),
        (OperationFailure("stale", 13388, {"errmsg": "stale"}), Transient, "unknown"),
    ],
)
def test_what_an_error_stands_for(error: PyMongoError, kind: type[AgentError], code: str) -> None:
    """A refused login passes once a file is right; a missing right does not, and the rest is tried again."""
    found = meaning("hello", error)
    assert kind is type(found)
    assert code == found.code

    def call() -> None:
        raise error

    with pytest.raises(kind):
        asked("hello", call)


def test_who_refuses() -> None:
    """What the server's own log says of a certificate is no distrust of ours; a closed port is none, nor a broken handshake."""
    errors = (REFUSED, UNAUTHORIZED, DISTRUST, CLOSED, RESET)
    assert [True, True, False, False, False] == [is_refusal(e) for e in errors]
    assert [False, False, True, False, False] == [is_distrust(e) for e in errors]
    assert not is_distrust(OperationFailure("the TLS certificate of the shard", 8))
