"""What an error of the driver means, and how it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import OperationFailure, PyMongoError

from backup_agent.errors import AccessRefused, AgentError, BadConfiguration, Transient
from backup_agent.words import without_values, words

AUTHENTICATION_FAILED = 18
UNAUTHORIZED = 13

CERTIFICATE = "certificate"
REASONS = {
    CERTIFICATE: ("CERTIFICATE_VERIFY_FAILED", "certificate", "unknown ca", "ostname mismatch", "IP address mismatch"),
    "name not resolved": ("Name or service not known", "name resolution", "No address associated", "nodename nor"),
    "refused": ("Connection refused",),
    "no route": ("No route to host", "Network is unreachable"),
    "timed out": ("timed out", "timeout"),
    "no TLS": ("SSL", "TLS"),
}
"""Why a member cannot be reached, by the words of the driver and the system. The first match counts."""


Result = TypeVar("Result")


def plain(text: str) -> str:
    """Return what the driver says of an error without its settings and its view of the set, which it puts behind that."""
    return text.partition(" (configured timeouts")[0].partition(", Timeout:")[0]


def reason(error: PyMongoError) -> str:
    """Return in a few words why a member did not answer; the driver's own words follow, without its view of the set."""
    if is_refusal(error):
        return f"login refused ({without_values(str(error))[:200]})"
    text = plain(words(error))
    if text == "No servers found yet":  # it is being connected to, still
        return "timed out (no answer)"
    known = next((word for word, marks in REASONS.items() if any(mark in text for mark in marks)), None)
    return f"{known} ({text[:200]})" if known else text[:300]


def is_distrust(error: BaseException) -> bool:
    """Whether no connection was made because one side does not trust the other's certificate."""
    return not isinstance(error, OperationFailure) and any(mark in str(error) for mark in REASONS[CERTIFICATE])


def is_refusal(error: BaseException) -> bool:
    """Whether the login, or the user's right, was refused. An arbiter refuses any: it knows no users."""
    return isinstance(error, OperationFailure) and error.code in (AUTHENTICATION_FAILED, UNAUTHORIZED)


def asked(what: str, call: Callable[[], Result]) -> Result:
    """Call something that talks to the source and translate the driver's errors.

    Raises AccessRefused for refused credentials, BadConfiguration for missing rights, Transient for the rest.
    """
    try:
        return call()
    except PyMongoError as error:
        raise meaning(what, error) from error


def meaning(what: str, error: PyMongoError) -> AgentError:
    """Return the error that the driver's stands for."""
    if not isinstance(error, OperationFailure):
        return Transient(f"{what}: {words(error)[:300]}")
    if error.code == AUTHENTICATION_FAILED:
        return AccessRefused(
            "login",
            "source: the server refused the user name or the password; correct source.username or the content of "
            "source.password_file",
        )
    if error.code == UNAUTHORIZED:
        return BadConfiguration(
            f"source: the user may not do what {what} needs; grant it the roles backup and clusterMonitor on admin"
        )
    return Transient(f"{what}: {words(error)}")
