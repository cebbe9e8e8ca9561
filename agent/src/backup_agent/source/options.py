"""By which options a member of the source is connected to, and where the agent does not connect to at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backup_agent.config import Config, Source, why_not_private
from backup_agent.errors import AccessRefused
from backup_agent.source.addresses import address, is_among, is_local

LOGIN = ("username", "password", "authsource", "authmechanism", "authmechanismproperties")
FILES = ("tlscafile", "tlscertificatekeyfile", "tlscrlfile")
"""Options that name a file, which may be replaced while the agent runs."""

MECHANISM = "SCRAM-SHA-256"
"""Unless another one is named. A server that announces none would be sent SCRAM-SHA-1, which gives weak passwords away."""


def options(config: Config, given: Mapping[str, Any], answer_seconds: float) -> dict[str, Any]:
    """Return the options of a connection: those that the URI gives, and what the configuration says over them.

    Raises AccessRefused when the password cannot be read, or others can read it or the key.
    """
    source = config.source
    milliseconds = int(source.connect_timeout_seconds * 1000)
    found: dict[str, Any] = {
        **{name.lower(): value for name, value in given.items()},
        "appname": f"backup-agent {config.job}",
        "connecttimeoutms": milliseconds,
        "serverselectiontimeoutms": milliseconds,
        "sockettimeoutms": int(answer_seconds * 1000),
        "retryreads": False,
        "retrywrites": False,
        "servermonitoringmode": "poll",  # by one thread for each server, not two: all that matters is asked for anyway
    }
    if source.username is not None:
        found |= {"username": source.username, "password": config.password()}
        found.setdefault("authmechanism", MECHANISM)
        if "auth_source" in source.model_fields_set or "authsource" not in found:
            found["authsource"] = source.auth_source
    if source.auth_mechanism is not None:
        found["authmechanism"] = source.auth_mechanism
    if source.tls is not None:
        found["tls"] = True
        if "allow_invalid_hostnames" in source.tls.model_fields_set or "tlsallowinvalidhostnames" not in found:
            found["tlsallowinvalidhostnames"] = source.tls.allow_invalid_hostnames
        files = {"tlscafile": source.tls.ca_file, "tlscertificatekeyfile": source.tls.certificate_key_file}
        found |= {name: str(path) for name, path in files.items() if path}
    key = found.get("tlscertificatekeyfile")
    if key and (refused := why_not_private("source.tls.certificate_key_file", Path(key))):
        raise AccessRefused("certificate", refused)
    return found


def has_tls(given: Mapping[str, Any]) -> bool:
    """Say whether a connection with these options is one of TLS; the driver takes a file of certificates for a wish for it."""
    return bool(given.get("tls", any(map(given.get, FILES))))


def why_not(source: Source, place: str, tls: bool) -> str | None:
    """Return why the agent does not connect to an address, whoever named it; None where it does. Pure."""
    if source.hosts and not is_among(place, source.hosts):
        hosts = ", ".join(source.hosts)
        return f"source.hosts: expected a member at one of {hosts}, found {place}; see who named it, or add its host"
    if tls or source.plaintext or is_local(place):
        return None
    return (
        f"source: expected TLS on the way to {place}, found none; set source.tls, or plaintext: true where nobody else can "
        "read or change what goes over this network"
    )


def only_safe(source: Source, tls: bool) -> Callable[[list[Any]], list[Any]]:
    """Return what leaves out, for the driver, members that it has heard of and that the agent does not connect to."""
    return lambda servers: [one for one in servers if why_not(source, address(*one.address), tls) is None]
