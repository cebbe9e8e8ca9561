"""A real replica set that disappears when its owner does."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, PyMongoError

from lab.binaries import find_mongod
from lab.errors import LabError
from lab.mongod import Client, Mongod
from lab.oplog_edge import edge
from lab.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from bson.timestamp import Timestamp

    from lab.certificates import Certificates

# Checkpoints every 5 s (not 60): entries that the last checkpoint still needs are never cut off the oplog.
SMALL = ("--syncdelay", "5")
PARAMETERS: Mapping[str, object] = {
    "diagnosticDataCollectionEnabled": False,
    "shutdownTimeoutMillisForSignaledShutdown": 100,
}


@dataclass(frozen=True)
class Member:
    """What is special about one member."""

    priority: float = 1
    hidden: bool = False
    votes: int = 1
    delay_seconds: int = 0
    arbiter: bool = False
    mongod_args: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Anything else of its part of the configuration."""

    def config(self, number: int, host: str) -> dict[str, Any]:
        """Return this member's part of the replica set configuration."""
        document: dict[str, Any] = {"_id": number, "host": host, "priority": self.priority, "votes": self.votes}
        document |= self.settings
        if self.arbiter:
            return {**document, "arbiterOnly": True}
        if self.hidden or self.delay_seconds:
            document |= {"hidden": True, "priority": 0, "secondaryDelaySecs": self.delay_seconds}
        return document

    @property
    def electable(self) -> bool:
        return self.priority > 0 and not (self.hidden or self.delay_seconds or self.arbiter)


@dataclass(frozen=True)
class User:
    """A database user in `admin`."""

    name: str
    password: str
    roles: tuple[str, ...]

    @property
    def options(self) -> dict[str, str]:
        return {"username": self.name, "password": self.password, "authSource": "admin"}


@dataclass(frozen=True)
class OplogWindow:
    """The oldest and the newest entry of a member's oplog."""

    oldest: Timestamp
    newest: Timestamp

    @property
    def seconds(self) -> int:
        return self.newest.time - self.oldest.time


class ReplicaSet:
    """A replica set on the loopback interface; as a context manager it is started, and removed at the end.

    Its members also end when this process does, however it ends. A directory of its own is removed, a given one stays.
    """

    def __init__(
        self,
        name: str = "rs0",
        members: Sequence[Member] | int = 3,
        *,
        oplog_mb: int = 64,
        cache_gb: float = 0.25,
        directory: Path | None = None,
        auth: bool = False,
        set_parameters: Mapping[str, object] | None = None,
        mongod_args: Sequence[str] = (),
        mongod: Path | None = None,
        election_timeout_ms: int = 2000,
        separable: bool = False,
        certificates: Certificates | None = None,
        host: str = LOOPBACK,
    ) -> None:
        self.name = name
        self.members = [Member()] * members if isinstance(members, int) else list(members)
        self.oplog_mb, self._cache_gb = oplog_mb, cache_gb
        self.root = User("root", secrets.token_urlsafe(12), ("root",)) if auth else None
        self.backup = User("backup", secrets.token_urlsafe(12), ("backup", "clusterMonitor")) if auth else None
        self._parameters = {**PARAMETERS, **(set_parameters or {})}
        self._extra = tuple(mongod_args)
        heartbeat = max(100, election_timeout_ms // 4)
        self._settings = {"electionTimeoutMillis": election_timeout_ms, "heartbeatIntervalMillis": heartbeat}
        self.binary = mongod or find_mongod()
        self._separable = separable
        self.certificates, self._host = certificates, host
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="lab-"))
        self.mongods: list[Mongod] = []

    # --- life ------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the members, make them a replica set and wait for a primary and for every member to be in sync."""
        try:
            self._make_mongods()
            for mongod in self.mongods:
                mongod.start()
            for mongod in self.mongods:
                mongod.wait()
            self._initiate()
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop every member (killed: the data is thrown away) and remove a temporary directory."""
        for mongod in self.mongods:
            mongod.release()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _make_mongods(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        for number, member in enumerate(self.members):
            arguments = [*self._arguments(), *member.mongod_args]
            mongod = Mongod(self.binary, self.directory / f"member{number}", arguments, self._host)
            mongod.group = mongod.port if self._separable else None
            mongod.tls = self.certificates.options if self.certificates else {}
            self.mongods.append(mongod)

    def _arguments(self) -> list[str]:
        sizes = ["--oplogSize", str(self.oplog_mb), "--wiredTigerCacheSizeGB", str(self._cache_gb)]
        arguments = ["--replSet", self.name, *sizes, *SMALL]
        for name, value in self._parameters.items():
            arguments += ["--setParameter", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
        if self.root:
            arguments += ["--keyFile", str(self._key_file())]
        if self.certificates:
            arguments += self.certificates.mongod_arguments
        return [*arguments, *self._extra]

    def _key_file(self) -> Path:
        path = self.directory / "keyfile"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        return path

    def _initiate(self) -> None:
        pairs = enumerate(zip(self.members, self.mongods, strict=True))
        configs = [member.config(number, mongod.address) for number, (member, mongod) in pairs]
        first = max(
            range(len(configs)), key=lambda number: (self.members[number].electable, self.members[number].priority)
        )
        with self.mongods[first].client() as client:
            config: dict[str, Any] = {"_id": self.name, "members": configs, "settings": self._settings}
            if "--configsvr" in self._extra:
                config["configsvr"] = True
            client.admin.command("replSetInitiate", config)
            if self.root and self.backup:
                self._create_users(client, self.root, self.backup)

    def _create_users(self, client: Client, root: User, backup: User) -> None:
        _until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]), 120, "a primary to create users on")
        _create_user(client, root)  # by the localhost exception
        with self.client() as authenticated:
            _create_user(authenticated, backup)

    # --- who is who ------------------------------------------------------------------------------------------------

    @property
    def addresses(self) -> list[str]:
        return [mongod.address for mongod in self.mongods]

    @property
    def bare_uri(self) -> str:
        """The connection string without credentials."""
        return f"mongodb://{','.join(self.addresses)}/?replicaSet={self.name}"

    @property
    def uri(self) -> str:
        """The connection string, with the credentials of root where the set has users."""
        if not self.root:
            return self.bare_uri
        login = f"{self.root.name}:{self.root.password}@"
        return self.bare_uri.replace("mongodb://", f"mongodb://{login}") + "&authSource=admin"

    def client(self, **options: Any) -> Client:
        """Return a client of the replica set (as root where it has users)."""
        secure = self.certificates.options if self.certificates else {}
        return MongoClient(self.uri, **{**secure, **options})

    def member(self, number: int) -> Mongod:
        """Return one member's process."""
        return self.mongods[number]

    def member_client(self, number: int, **options: Any) -> Client:
        """Return a client of one member alone (as root where the set has users)."""
        login = self.root.options if self.root and not self.members[number].arbiter else {}
        return self.mongods[number].client(**{"serverSelectionTimeoutMS": 2000, **login, **options})

    def primary(self) -> int:
        """Return the number of the primary, waiting for one."""
        return self.wait_primary()

    def secondaries(self) -> list[int]:
        """Return the numbers of the members in state SECONDARY."""
        states = self.states()
        return [number for number, state in enumerate(states) if state == "SECONDARY"]

    def states(self) -> list[str]:
        """Return each member's own state by number; DOWN for one that does not answer."""
        return [self._state(number) for number in range(len(self.mongods))]

    def _state(self, number: int) -> str:
        if not self.mongods[number].running:
            return "DOWN"
        try:
            with self.mongods[number].client(serverSelectionTimeoutMS=1000, socketTimeoutMS=1000) as client:
                hello = client.admin.command("hello")
        except PyMongoError:
            return "DOWN"
        roles = {"isWritablePrimary": "PRIMARY", "secondary": "SECONDARY", "arbiterOnly": "ARBITER"}
        return next((state for key, state in roles.items() if hello.get(key)), "OTHER")

    def wait_primary(self, timeout_seconds: float = 120, other_than: int | None = None) -> int:
        """Wait for a primary and return its number."""

        def is_there() -> bool:
            states = self.states()
            return any(state == "PRIMARY" and number != other_than for number, state in enumerate(states))

        _until(is_there, timeout_seconds, f"a primary of {self.name}")
        return next((number for number, state in enumerate(self.states()) if state == "PRIMARY"), -1)

    def wait_healthy(self, timeout_seconds: float = 180) -> None:
        """Wait until one member is primary and all the others that run are secondaries or arbiters."""

        def healthy() -> bool:
            states = [s for s, mongod in zip(self.states(), self.mongods, strict=True) if mongod.running]
            return states.count("PRIMARY") == 1 and not {"DOWN", "OTHER"} & set(states)

        _until(healthy, timeout_seconds, f"every running member of {self.name} to be primary, secondary or arbiter")

    def oplog_window(self, number: int) -> OplogWindow:
        """Return the oldest and newest oplog entry of one member."""
        with self.member_client(number) as client:
            return OplogWindow(edge(client, 1), edge(client, -1))

    # --- trouble ---------------------------------------------------------------------------------------------------

    def stop_member(self, number: int) -> None:
        """Shut one member down cleanly."""
        self.mongods[number].stop()

    def kill_member(self, number: int) -> None:
        """Kill one member with SIGKILL."""
        self.mongods[number].kill()

    def pause_member(self, number: int) -> None:
        """Freeze one member with SIGSTOP."""
        self.mongods[number].pause()

    def resume_member(self, number: int) -> None:
        """Let a frozen member go on."""
        self.mongods[number].resume()

    def restart_member(self, number: int, *, wait: bool = True) -> None:
        """Start a stopped or killed member again on its old data, and wait until it is in sync."""
        self.mongods[number].start()
        self.mongods[number].wait()
        if wait:
            self.wait_healthy()

    def stepdown(self, for_seconds: int = 10) -> int:
        """Make the primary step down and return the number of the new one."""
        old = self.wait_primary()
        with self.member_client(old) as client:
            try:
                catch_up = min(5, for_seconds - 1)
                client.admin.command("replSetStepDown", for_seconds, secondaryCatchUpPeriodSecs=catch_up)
            except AutoReconnect:  # servers before 4.2 hang up on everyone
                pass
        return self.wait_primary(other_than=old)


def _create_user(client: Client, user: User) -> None:
    concern = {"w": "majority", "wtimeout": 30_000}
    client.admin.command("createUser", user.name, pwd=user.password, roles=list(user.roles), writeConcern=concern)


def _until(condition: Callable[[], bool], timeout_seconds: float, what: str) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout_seconds:.0f} s for {what}; it did not come")
        time.sleep(0.1)
