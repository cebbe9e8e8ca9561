"""The replica set that is backed up: the connections to its members, and which of them answers for the set."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from backup_agent.config import Config
from backup_agent.errors import AccessRefused, AgentError, BadConfiguration, Transient
from backup_agent.source.addresses import Given, address, by_horizon, read
from backup_agent.source.answers import is_distrust, is_refusal, meaning, plain, reason
from backup_agent.source.options import FILES, LOGIN, has_tls, only_safe, options, why_not
from backup_agent.source.topology import Topology, judge
from backup_agent.times import now_iso
from backup_agent.values import REPLIES, Client

BULK_SECONDS = 120.0
"""How long a read of much data may stay without an answer."""

FORGIVEN_SECONDS = 60.0
"""A member that failed comes after the others for this long."""

CONFIGURATION_SECONDS = 60
"""How long the set's configuration is believed as long as its version stays."""

Result = TypeVar("Result")


class Stranger(BadConfiguration):
    """A server that was asked as a member of the set is in another one, or in none."""


class Distrusted(AccessRefused):
    """One side does not trust the other's certificate."""


class SourceSet:
    """Connections to the source, one client per member, always to that member alone. Any thread may ask for one.

    When a file with the password or a certificate has changed, the connections that are made from then on are new ones. Those
    that they replace are not closed: another thread may be reading by one. The driver ends one that nobody holds any more.
    """

    def __init__(self, config: Config) -> None:
        """Nothing is connected yet."""
        self._config = config
        self._lock = threading.RLock()
        """For what follows."""
        self._clients: dict[tuple[str, bool], Client] = {}
        """By member, and whether it is for much data."""
        self._seeds: Client | None = None
        self._failed: dict[str, float] = {}
        self._addresses: dict[str, str] = {}
        """By which address a member is reached, where that is not its name in the set."""
        self._seen: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        """The set's configuration, with what a member tells of it in its status, and the minute: see `_seen_by`."""
        self._given: Given | None = None
        self._files: dict[Path, object] | None = None
        """How each file looked when the connections of now were made."""
        self._read_at = now_iso()

    # How it connects --------------------------------------------------------------------------------------------------

    def _uri(self) -> Given:
        if self._given is None:
            self._given = read(self._config.source.uri)
        return self._given

    def _options(self, answer_seconds: float = BULK_SECONDS) -> dict[str, Any]:
        return options(self._config, self._uri().options, answer_seconds)

    def _connect(self, addresses: list[str], given: dict[str, Any]) -> Client:
        source, tls = self._config.source, has_tls(given)
        refusals = [why for place in addresses if (why := why_not(source, place, tls)) is not None]
        if refusals:
            raise BadConfiguration(refusals[0])
        try:
            return MongoClient(addresses, server_selector=only_safe(source, tls), **given)
        except OSError as error:
            raise AccessRefused("certificate", f"source: {error}") from error
        except (ConfigurationError, ValueError) as error:
            if isinstance(error.__context__, OSError):  # a certificate that cannot be read, or does not fit its key
                raise AccessRefused("certificate", f"source: {error}") from error
            raise BadConfiguration(f"source: {error}") from error

    def _renew(self) -> None:
        """Make new connections from now on when a file that those of now were made with has changed."""
        if self._files is not None and self._files == _look(self._files):
            return
        paths = [self._config.source.password_file, *map(self._options().get, FILES)]
        self._clients, self._seeds = {}, None
        self._files, self._read_at = _look(Path(path) for path in paths if path), now_iso()

    def seeds(self) -> Client:
        """Return a client of the whole set, for the oplog note. It never reads data."""
        with self._lock:
            self._renew()
            if self._seeds is None:
                named = {**self._options(), "replicaset": self._config.source.replica_set}
                self._seeds = self._connect(list(self._uri().seeds), named)
            return self._seeds

    def client(self, member: str) -> Client:
        """Return the client of one member (direct connection) for much data; an answer may take long."""
        return self._client(member, bulk=True)

    def prompt(self, member: str) -> Client:
        """Return the client of one member for what is answered at once: silence is an error after a short while."""
        return self._client(member, bulk=False)

    def _client(self, member: str, bulk: bool) -> Client:
        with self._lock:
            self._renew()
            key = (member, bulk)
            if key not in self._clients:
                seconds = BULK_SECONDS if bulk else self.answer_seconds
                self._clients[key] = self._direct(member, self._options(seconds))
            return self._clients[key]

    def _direct(self, member: str, given: dict[str, Any]) -> Client:
        return self._connect([self._addresses.get(member, member)], {**given, "directconnection": True})

    @property
    def answer_seconds(self) -> float:
        """How long a member may stay silent for `prompt`."""
        return self._config.source.answer_timeout_seconds

    def failed(self, member: str, error: Exception | None = None) -> None:
        """Note that reading from a member failed, so that another one gets its turn.

        If the network was not the reason, a new connection is made. For a connection's life the driver keeps whether the
        server knew sessions when it was made. A member knows none before its initial sync, or while it is hidden.
        """
        self._failed[member.lower()] = time.monotonic()
        if isinstance(error, (ConfigurationError, OperationFailure)):
            with self._lock:
                self._clients = {key: client for key, client in self._clients.items() if key[0] != member}

    def works(self, member: str) -> None:
        """Forget that reading from a member failed."""
        self._failed.pop(member.lower(), None)

    def _failed_lately(self) -> dict[str, float]:
        since = time.monotonic() - FORGIVEN_SECONDS
        return {member: at for member, at in list(self._failed.items()) if at > since}

    def close_bulk(self) -> None:
        """Close the connections for much data, when nobody reads by one any more: each costs threads."""
        with self._lock:
            _close(self._clients.pop(key) for key in [key for key in self._clients if key[1]])

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            _close([*self._clients.values(), *([self._seeds] if self._seeds is not None else [])])
            self._clients, self._seeds = {}, None

    # What the set says ------------------------------------------------------------------------------------------------

    def topology(self) -> Topology:
        """Ask the primary, or whichever member answers when there is none; one that knows a primary counts for more.

        Raises Transient when no member answers, AccessRefused when they refuse the login or a certificate is not trusted, and
        BadConfiguration when none of those that are named belongs to the set.
        """
        return self._first(self._seen_by, lambda found: found.primary is not None)

    def configuration(self) -> dict[str, Any]:
        """Return the configuration of the set, as the first member that answers has it. Raises what `topology` does."""
        return self._first(self._configured)

    def replica_set_id(self) -> str | None:
        """Return the id that the set was given when it was initiated. Raises what `topology` does."""
        found = self.configuration().get("settings", {}).get("replicaSetId")
        return None if found is None else str(found)

    def version(self) -> str:
        """Return the version of MongoDB that the first member runs. Raises what `topology` does."""
        return self._first(lambda name: str(self.client(name).server_info()["version"]))

    def _first(self, ask: Callable[[str], Result], best: Callable[[Result], bool] = lambda _: True) -> Result:
        """Ask one member after the other until an answer is the best that there can be; returns the first one otherwise."""
        answers: list[Result] = []
        said: dict[str, Exception] = {}
        for name in self._names():
            try:
                with pymongo.timeout(self._config.source.connect_timeout_seconds):  # the next one is asked soon
                    answers.append(ask(name))
            except (PyMongoError, BadConfiguration) as error:
                said[name] = error
                if not isinstance(error, (OperationFailure, BadConfiguration)):
                    self.failed(name)
            else:
                if best(answers[-1]):
                    return answers[-1]
        if not answers:
            self._look_up_again()
            raise self._why_silent(said)
        return answers[0]

    def _look_up_again(self) -> None:
        """Ask the resolver whether it names other members by now."""
        if self._given is None or not self._given.by_resolver:
            return
        with contextlib.suppress(AgentError):
            found = read(self._config.source.uri)
            if found != self._given:
                with self._lock:
                    self._given, self._seeds = found, None

    def _why_silent(self, said: dict[str, Exception]) -> AgentError:
        """Return what it means that no member gave an answer."""
        explained = [self.explain(name, error) for name, error in said.items()]
        refused = [found for found in explained if found is not None and not isinstance(found, (Stranger, Distrusted))]
        if refused:
            return refused[0]
        if all(explained) and explained[0] is not None:  # else a member may answer soon, whoever the others are
            return explained[0]
        found = "; ".join(f"{name} said: {_words(error)}" for name, error in said.items())
        return Transient(
            f"expected an answer from a member of {self._config.source.replica_set}, found none: {found}; "
            "see that this machine reaches them"
        )

    def explain(self, member: str, error: BaseException | None) -> AgentError | None:
        """Return what it means that a member refused the agent, or None where that was not it.

        An arbiter refuses every login, and so does a member before its initial sync: they know no users, and say nothing by it.
        """
        if isinstance(error, AgentError):
            return self.explain(member, error.__cause__) or (error if isinstance(error, Stranger) else None)
        if isinstance(error, OperationFailure) and is_refusal(error):
            hello = self._greeting(member)
            stranger = self._stranger(member, hello)
            knows_users = hello.get("isWritablePrimary") or hello.get("secondary")
            return stranger or (self._told(meaning("replSetGetStatus", error), member) if knows_users else None)
        if error is not None and is_distrust(error):
            found = plain(str(error)).removeprefix(f"{member}: ")[:200]
            return Distrusted("certificate", f"source: {member}: {found}; {self._files_read()}")
        return None

    def _told(self, found: AgentError, member: str) -> AgentError:
        found.args = (f"{found.message} ({member} said so; {self._files_read()})",)
        found.message = found.args[0]
        return found

    def _files_read(self) -> str:
        files = ", ".join(map(str, self._files or ()))
        return (
            f"{files} was read at {self._read_at}, and is read again when it changes" if files else "no file is named"
        )

    def _greeting(self, member: str) -> dict[str, Any]:
        """Return what a member says of itself to anybody; nothing when it does not answer."""
        with contextlib.suppress(PyMongoError, AgentError):
            return self.greet(member, login=False)
        return {}

    def _stranger(self, name: str, hello: Mapping[str, Any]) -> Stranger | None:
        """Return what is wrong with a server that is not in the set, or None when it may be."""
        wanted = self._config.source.replica_set
        if "setName" in hello:
            return None if hello["setName"] == wanted else _another_set(wanted, name, hello["setName"])
        if not hello or hello.get("isreplicaset"):
            return None
        what = "a mongos" if hello.get("msg") == "isdbgrid" else "a mongod that is in no set"
        return Stranger(
            f"source.uri: expected members of the replica set {wanted}, found {what} at {name}; "
            "name the members of the set" + (", each shard is a job" if what == "a mongos" else "")
        )

    def greet(self, member: str, login: bool) -> dict[str, Any]:
        """Return what one member says of itself, over a connection of its own that is closed again.

        Without `login` nothing but the connection is tried: an arbiter has no users. Raises PyMongoError.
        """
        given = self._options(self._config.source.connect_timeout_seconds)
        if not login:
            given = {name: value for name, value in given.items() if name not in LOGIN}
        client = self._direct(member, given)
        with contextlib.closing(client), pymongo.timeout(self._config.source.connect_timeout_seconds):
            return client.admin.command("hello", codec_options=REPLIES)

    def _reached(self) -> list[str]:
        """Return by which addresses the driver knows the members: what the URI names until one of them has answered."""
        return [address(*node) for node in self.seeds().nodes] or list(self._uri().seeds)

    def _names(self) -> list[str]:
        """Return the members to ask in their order: the primary first, those that failed lately last.

        Those that the driver has heard of may be the arbiter alone at first; what the URI names is asked, too.
        """
        primary = self.seeds().primary
        first = address(*primary) if primary is not None else None
        named = {reached.lower(): name for name, reached in self._addresses.items()}
        found = dict.fromkeys([*self._reached(), *self._uri().seeds])
        failed = self._failed_lately()
        names = dict.fromkeys(named.get(one.lower(), one) for one in sorted(found, key=lambda one: one != first))
        return sorted(names, key=lambda name: failed.get(name.lower(), float("-inf")))

    def _configured(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._admin(name, "replSetGetConfig")["config"]
        self._require_set(name, found["_id"])
        self._addresses = by_horizon(found, self._reached())
        return found

    def _require_set(self, member: str, found: str) -> None:
        if found != self._config.source.replica_set:
            raise _another_set(self._config.source.replica_set, member, found)

    def _seen_by(self, name: str) -> Topology:
        """Ask a member; the configuration only when it has changed, and each minute: a set may have been made again.

        In a set that is made again the same way it has the same version, and may say something else.
        """
        source = self._config.source
        status = self._admin(name, "replSetGetStatus")
        self._require_set(name, status["set"])
        own: Mapping[str, Any] = next((member for member in status["members"] if member.get("self")), {})
        members = tuple((member["_id"], member["name"]) for member in status["members"])
        minute = int(time.monotonic() // CONFIGURATION_SECONDS)
        version = (name, members, own.get("configTerm"), own.get("configVersion"), minute)
        if self._seen is None or self._seen[0] != version or None in version:
            self._seen = version, self._configured(name)
        return judge(status, self._seen[1], source.max_lag_seconds, source.prefer, self._failed_lately())

    def _admin(self, name: str, command: str) -> dict[str, Any]:
        """Ask a member about its set. Raises BadConfiguration when it is in none, PyMongoError."""
        try:
            return self.prompt(name).admin.command(command, codec_options=REPLIES)
        except OperationFailure as error:
            stranger = None if is_refusal(error) else self._stranger(name, self._greeting(name))
            if stranger is None:
                raise
            raise stranger from error


def _another_set(wanted: str, member: str, found: str) -> Stranger:
    return Stranger(f"source.replica_set: expected the name of the set, found {wanted!r}, but {member} is in {found!r}")


def _close(clients: Iterable[Client]) -> None:
    for client in clients:
        with contextlib.suppress(PyMongoError):
            client.close()


def _look(paths: Iterable[Path]) -> dict[Path, object]:
    """Return for each file what changes when it is written or replaced; one that is not there is None."""
    found: dict[Path, object] = dict.fromkeys(paths)
    for path in found:
        with contextlib.suppress(OSError):
            seen = os.stat(path)
            found[path] = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
    return found


def _words(error: Exception) -> str:
    return reason(error) if isinstance(error, PyMongoError) else str(error)
