"""Where the source is: what the URI names, which of its options count for each member, and by which name one is reached."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from backup_agent.errors import AccessRefused, BadConfiguration, Transient

SRV = "mongodb+srv:"
CARRIED = frozenset(
    {
        "tls",
        "tlscafile",
        "tlscertificatekeyfile",
        "tlscertificatekeyfilepassword",
        "tlscrlfile",
        "tlsallowinvalidcertificates",
        "tlsallowinvalidhostnames",
        "tlsdisableocspendpointcheck",
        "authsource",
        "authmechanism",
        "authmechanismproperties",
        "compressors",
        "zlibcompressionlevel",
    }
)
"""Options of a URI that say how a member is connected to. The others are about which member to take and how long to wait:
the agent decides that itself."""


@dataclass(frozen=True)
class Given:
    """What a URI gives."""

    seeds: tuple[str, ...]
    options: Mapping[str, Any]
    by_resolver: bool = False
    """Whether a resolver named the seeds, so that it may name others later."""


def read(uri: str) -> Given:
    """Read a URI; one with `+srv` asks the resolver.

    Raises BadConfiguration for what can never be right, AccessRefused for a file that is not there, Transient when the resolver
    has no answer. No message shows the URI: its options can hold a password.
    """
    by_resolver = uri.startswith(SRV)
    found = _parsed(_without_srv(uri) if by_resolver else uri)
    if by_resolver:
        try:
            found = parse_uri(uri)
        except (PyMongoError, ValueError) as error:  # its options were in order
            host = urlsplit(uri).netloc
            raise Transient(f"source.uri: expected the members of {host} from the resolver, found: {error}") from error
    options = {name: value for name, value in found["options"].items() if name.lower() in CARRIED}
    return Given(tuple(address(*node) for node in found["nodelist"]), options, by_resolver)


def _parsed(uri: str) -> Mapping[str, Any]:
    try:
        return parse_uri(uri)
    except OSError as error:
        raise AccessRefused("certificate", f"source.uri: {error}") from error
    except (PyMongoError, ValueError) as error:
        raise BadConfiguration(f"source.uri: {error}") from error


def _without_srv(uri: str) -> str:
    """Return a URI that asks no resolver, with the same options but those that only a resolver is asked with."""
    return re.sub(r"(?<=[?&])srv\w+=[^&]*&?", "", uri.replace(SRV, "mongodb:", 1), flags=re.IGNORECASE)


def address(host: str, port: int | None) -> str:
    """Return `host:port` as the set's configuration writes it: an address of IPv6 is in brackets, a socket has no port."""
    if port is None:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_local(place: str) -> bool:
    """Say whether a connection to an address stays on this machine: to loopback, or to a socket."""
    if "/" in place:
        return True
    host = place.rpartition(":")[0].strip("[]") if ":" in place else place
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_among(place: str, hosts: Iterable[str]) -> bool:
    """Say whether an address is that of one of these hosts, which are patterns such as `*.example.com`."""
    host = place.rpartition(":")[0].strip("[]").lower()
    return any(fnmatchcase(host, pattern.lower()) for pattern in hosts)


def by_horizon(config: Mapping[str, Any], reached: Iterable[str]) -> dict[str, str]:
    """Return by which address each member is reached, where that is not the one in the set's configuration.

    A set can have other names for the outside (split horizons). The names by which it was reached tell which of them count here.
    """
    known, members = {name.lower() for name in reached}, config["members"]  # the driver writes names in small letters
    if not known.isdisjoint(member["host"].lower() for member in members):
        return {}
    horizons = dict.fromkeys(name for member in members for name in member.get("horizons", {}))
    for horizon in horizons:
        found = {m["host"]: str(m["horizons"][horizon]) for m in members if horizon in m.get("horizons", {})}
        if not known.isdisjoint(name.lower() for name in found.values()):
            return found
    return {}
