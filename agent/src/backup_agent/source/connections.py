"""The replica set that is backed up: the connections to its members, and what is asked of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pymongo
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from backup_agent.config import Config
from backup_agent.errors import AgentError, BadConfiguration, Transient
from backup_agent.source.topology import Topology, judge, timestamp_of
from backup_agent.values import RAW, Client

BULK_SECONDS = 120.0
"""How long a read of much data may stay without an answer."""

FORGIVEN_SECONDS = 60.0
"""A member that failed comes after the others for this long."""

AUTHENTICATION_FAILED = 18
UNAUTHORIZED = 13

LOGIN = ("username", "password", "authSource", "authMechanism")

REASONS = {
    "certificate": ("CERTIFICATE_VERIFY_FAILED", "certificate", "SSL", "TLS"),
    "name not resolved": ("Name or service not known", "name resolution", "No address associated", "nodename nor"),
    "refused": ("Connection refused",),
    "no route": ("No route to host", "Network is unreachable"),
    "timed out": ("timed out", "timeout"),
}
"""Why a member cannot be reached, by the words of the driver and the system. The first match counts."""

Result = TypeVar("Result")


class SourceSet:
    """Connections to the source, one client per member, always to that member alone."""

    def __init__(self, config: Config) -> None:
        """Nothing is connected yet."""
        self._config = config
        self._clients: dict[tuple[str, float], Client] = {}
        self._seeds: Client | None = None
        self._failed: dict[str, float] = {}

    def _options(self, answer_seconds: float = BULK_SECONDS) -> dict[str, Any]:
        source = self._config.source
        milliseconds = int(source.connect_timeout_seconds * 1000)
        options: dict[str, Any] = {
            "appname": f"backup-agent {self._config.job}",
            "connectTimeoutMS": milliseconds,
            "serverSelectionTimeoutMS": milliseconds,
            "socketTimeoutMS": int(answer_seconds * 1000),
            "retryReads": False,
            "retryWrites": False,
        }
        if source.username is not None:
            options |= {"username": source.username, "authSource": source.auth_source}
            options["password"] = self._config.password()
        if source.auth_mechanism is not None:
            options["authMechanism"] = source.auth_mechanism
        if source.tls is not None:
            options |= {"tls": True, "tlsAllowInvalidHostnames": source.tls.allow_invalid_hostnames}
            files = {"tlsCAFile": source.tls.ca_file, "tlsCertificateKeyFile": source.tls.certificate_key_file}
            options |= {name: str(path) for name, path in files.items() if path}
        return options

    def seeds(self) -> Client:
        """Return a client of the whole set, for `replSetGetStatus` and the oplog note. It never reads data."""
        if self._seeds is None:
            try:
                self._seeds = MongoClient(
                    self._config.source.uri, replicaSet=self._config.source.replica_set, **self._options()
                )
            except (ConfigurationError, ValueError) as error:
                raise BadConfiguration(f"source: {error}") from error
        return self._seeds

    def client(self, member: str, answer_seconds: float = BULK_SECONDS) -> Client:
        """Return the client of one member (direct connection); an answer may take `answer_seconds`."""
        key = (member, answer_seconds)
        if key not in self._clients:
            self._clients[key] = MongoClient(
                f"mongodb://{member}/?directConnection=true", **self._options(answer_seconds)
            )
        return self._clients[key]

    def prompt(self, member: str) -> Client:
        """Return the client of one member for what is answered at once: silence is an error after a short while."""
        return self.client(member, self._config.source.answer_timeout_seconds)

    def failed(self, member: str, error: Exception | None = None) -> None:
        """Note that reading from a member failed, so that another one gets its turn.

        If the network was not the reason, a new connection is made. For a connection's life the driver keeps whether the
        server knew sessions when it was made. A member knows none before its initial sync, or while it is hidden.
        """
        self._failed[member] = time.monotonic()
        if isinstance(error, (ConfigurationError, OperationFailure)):
            for key in [key for key in list(self._clients) if key[0] == member]:
                self._clients.pop(key, None)  # not closed: another thread may be reading by it

    def works(self, member: str) -> None:
        """Forget that reading from a member failed."""
        self._failed.pop(member, None)

    def _failed_lately(self) -> dict[str, float]:
        since = time.monotonic() - FORGIVEN_SECONDS
        return {member: at for member, at in list(self._failed.items()) if at > since}

    def close(self) -> None:
        """Close every connection."""
        for client in [*self._clients.values(), *([self._seeds] if self._seeds else [])]:
            with contextlib.suppress(PyMongoError):
                client.close()
        self._clients, self._seeds = {}, None

    def topology(self) -> Topology:
        """Ask the primary, or whichever member answers when there is none; one that knows a primary counts for more.

        Raises Transient when no member answers, BadConfiguration when the credentials or the set's name are wrong.
        """
        return asked("replSetGetStatus", self._topology)

    def _topology(self) -> Topology:
        found: Topology | None = None
        last: PyMongoError | None = None
        for name in self._names():
            try:
                found = self._seen_by(name)
                if found.primary is not None:
                    return found
            except PyMongoError as error:
                if _refused(error):
                    raise
                if not isinstance(error, OperationFailure):
                    self.failed(name)
                last = error
        if found is None:
            raise Transient(f"expected an answer from a member of {self._config.source.replica_set}, found: {last}")
        return found

    def configuration(self) -> dict[str, Any]:
        """Return the configuration of the set, as the first member that answers has it.

        Raises what `topology` does; Transient says what each of them answered.
        """
        refusals: dict[str, PyMongoError] = {}
        # Those that the driver has heard of may be the arbiter alone at first; the seeds are asked, too.
        for name in dict.fromkeys([*self._names(), *_seed_list(self.seeds())]):
            try:
                with pymongo.timeout(self._config.source.connect_timeout_seconds):
                    found: dict[str, Any] = self.client(name).admin.command("replSetGetConfig")["config"]
            except PyMongoError as error:
                refusals[name] = error
                continue
            self._require_set(found["_id"], name)
            return found
        if refusals and all(map(_refused, refusals.values())):
            first = next(iter(refusals.values()))
            raise meaning("replSetGetConfig", first) from first
        said = "; ".join(f"{name} said: {reason(error)}" for name, error in refusals.items())
        raise Transient(
            f"expected an answer from a member of {self._config.source.replica_set}, found none: {said}; "
            "see that this machine reaches them"
        )

    def _require_set(self, found: str, member: str) -> None:
        wanted = self._config.source.replica_set
        if found != wanted:
            raise BadConfiguration(
                f"source.replica_set: expected the name of the set, found {wanted!r}, but {member} is in {found!r}"
            )

    def greet(self, member: str, login: bool) -> dict[str, Any]:
        """Return what one member says of itself, over a connection of its own that is closed again.

        Without `login` nothing but the connection is tried: an arbiter has no users. Raises PyMongoError.
        """
        options = self._options(self._config.source.connect_timeout_seconds)
        if not login:
            options = {name: value for name, value in options.items() if name not in LOGIN}
        client: Client = MongoClient(f"mongodb://{member}/?directConnection=true", **options)
        with contextlib.closing(client), pymongo.timeout(self._config.source.connect_timeout_seconds):
            return client.admin.command("hello")

    def _names(self) -> list[str]:
        """Return the members to ask in their order: the primary first, those that failed lately last."""
        client = self.seeds()
        names = [f"{host}:{port}" for host, port in client.nodes] or _seed_list(client)
        primary = client.primary
        first = f"{primary[0]}:{primary[1]}" if primary is not None else None
        failed = self._failed_lately()
        return sorted(names, key=lambda name: (failed.get(name, float("-inf")), name != first))

    def _seen_by(self, name: str) -> Topology:
        source = self._config.source
        admin = self.client(name).admin
        with pymongo.timeout(source.connect_timeout_seconds):  # the next one is asked soon
            status = admin.command("replSetGetStatus")
            config = admin.command("replSetGetConfig")["config"]
        self._require_set(status["set"], name)
        return judge(status, config, source.max_lag_seconds, source.prefer, self._failed_lately())


def plain(text: str) -> str:
    """Return what the driver says of an error without its settings and its view of the set, which it puts behind that."""
    return text.partition(" (configured timeouts")[0].partition(", Timeout:")[0]


def reason(error: PyMongoError) -> str:
    """Return in a few words why a member did not answer; the driver's own words follow, without its view of the set."""
    text = plain(str(error))
    if _refused(error):
        return f"login refused ({text.partition(', full error')[0][:200]})"
    if text == "No servers found yet":  # it is being connected to, still
        return "timed out (no answer)"
    known = next((word for word, marks in REASONS.items() if any(mark in text for mark in marks)), None)
    return f"{known} ({text[:200]})" if known else text[:300]


def _refused(error: PyMongoError) -> bool:
    """Whether the login, or the user's right, was refused. An arbiter refuses any: it knows no users."""
    return isinstance(error, OperationFailure) and error.code in (AUTHENTICATION_FAILED, UNAUTHORIZED)


def _seed_list(client: Client) -> list[str]:
    return [f"{host}:{port}" for host, port in client.topology_description.server_descriptions()]


def asked(what: str, call: Callable[[], Result]) -> Result:
    """Call something that talks to the source and translate the driver's errors.

    Raises BadConfiguration for refused credentials or missing rights, Transient for the rest.
    """
    try:
        return call()
    except PyMongoError as error:
        raise meaning(what, error) from error


def meaning(what: str, error: PyMongoError) -> AgentError:
    """Return the error that the driver's stands for."""
    if not isinstance(error, OperationFailure):
        return Transient(f"{what}: {str(error)[:300]}")
    if error.code == AUTHENTICATION_FAILED:
        return BadConfiguration(
            "source: the server refused the user name or the password; correct source.username or the content of "
            "source.password_file"
        )
    if error.code == UNAUTHORIZED:
        return BadConfiguration(
            f"source: the user may not do what {what} needs; grant it the roles backup and clusterMonitor on admin"
        )
    return Transient(f"{what}: {error.details.get('errmsg') if error.details else error}")


def member_majority(client: Client) -> Timestamp | None:
    """Return the timestamp up to which this member can show majority-committed data.

    It may have heard of a later commit point than it has applied, so the earliest of what it says counts.
    """
    optimes = asked("replSetGetStatus", lambda: client.admin.command("replSetGetStatus"))["optimes"]
    names = ("lastCommittedOpTime", "readConcernMajorityOpTime", "appliedOpTime")
    found = [ts for name in names if (ts := timestamp_of(optimes.get(name))) is not None]
    return min(found) if len(found) == len(names) else None


def member_state(client: Client) -> str:
    """Return `PRIMARY`, `SECONDARY`, … as the member says of itself."""
    hello = asked("hello", lambda: client.admin.command("hello"))
    if hello.get("isWritablePrimary"):
        return "PRIMARY"
    return "SECONDARY" if hello.get("secondary") else "OTHER"


MAJORITY = ReadConcern("majority")


def raw_collection(client: Client, namespace: str, concern: ReadConcern | None = None) -> Collection[RawBSONDocument]:
    """Return a collection whose documents are read as raw bytes."""
    database, _, name = namespace.partition(".")
    found: Any = client[database].get_collection(name, codec_options=cast(Any, RAW), read_concern=concern)
    return cast("Collection[RawBSONDocument]", found)
