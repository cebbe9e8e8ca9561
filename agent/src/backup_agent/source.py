"""The replica set that is backed up: its members, their optimes, and which of them to read from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from backup_agent.config import Config
from backup_agent.errors import BadConfiguration, Transient
from backup_agent.times import OpTime, seconds_between

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""Only the top level is decoded, and only when asked for. A date beyond the years of Python's calendar is kept as a number."""

AUTHENTICATION_FAILED = 18
UNAUTHORIZED = 13

Client = MongoClient[dict[str, Any]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class MemberFacts:
    """What is known of a member, and whether data may be read from it."""

    member: str
    state: str
    eligible: bool
    reason: str
    lag_seconds: int | None = None
    hidden: bool = False
    priority: float = 1
    delay_seconds: int = 0
    optime: OpTime | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the contract's form."""
        names = ("member", "state", "eligible", "reason", "lag_seconds", "hidden", "priority", "delay_seconds")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Topology:
    """The members of the set as one of them saw them."""

    primary: str | None
    members: tuple[MemberFacts, ...]
    primary_optime: OpTime | None
    majority: OpTime | None
    prefer: tuple[str, ...] = field(default=())

    def choose(self, avoid: frozenset[str] = frozenset()) -> MemberFacts | None:
        """Return the member to read from, or None; members to avoid come last.

        Preferred ones in their order, then hidden ones, then those that can't become primary, then the least behind.
        Without a primary nothing is chosen: how far a member is behind cannot be known then.
        """
        rank = {member: position for position, member in enumerate(self.prefer)}
        able = [m for m in self.members if m.eligible]
        return min(
            able,
            key=lambda m: (
                m.member in avoid,
                rank.get(m.member, len(rank)),
                not m.hidden,
                m.priority != 0,
                m.lag_seconds or 0,
                m.member,
            ),
            default=None,
        )

    def why(self) -> str:
        """Return the reason of the choice, or why there is none, member by member."""
        chosen = self.choose()
        if chosen is None:
            if self.primary is None:
                return "the set has no primary, so how far its members are behind is unknown"
            return "no eligible secondary: " + "; ".join(f"{m.member}: {m.reason}" for m in self.members)
        marks = ["preferred"] if chosen.member in self.prefer else []
        marks += ["hidden"] if chosen.hidden else ["priority 0"] if chosen.priority == 0 else []
        marks.append(f"{chosen.lag_seconds} s behind the primary")
        return f"{chosen.member} is a secondary, " + ", ".join(marks)

    def as_json(self) -> dict[str, Any]:
        """Return what the command `sources` prints."""
        chosen = self.choose()
        return {
            "chosen": chosen.member if chosen else None,
            "reason": self.why(),
            "primary": self.primary,
            "members": [member.as_json() for member in self.members],
        }


def _optime(value: Any) -> OpTime | None:
    if not isinstance(value, dict) or not isinstance(value.get("ts"), Timestamp):
        return None
    return OpTime(value["ts"], int(value.get("t", -1)))


def judge(status: dict[str, Any], config: dict[str, Any], max_lag_seconds: int, prefer: tuple[str, ...]) -> Topology:
    """Decide about every member from `replSetGetStatus` and `replSetGetConfig`. Pure."""
    settings = {m["host"]: m for m in config["members"]}
    primary = next((m for m in status["members"] if m.get("stateStr") == "PRIMARY" and m.get("health") == 1), None)
    newest = _optime(primary["optime"]) if primary else None
    members = []
    for found in status["members"]:
        setting = settings.get(found["name"], {})
        delay = int(setting.get("secondaryDelaySecs", setting.get("slaveDelay", 0)))
        optime = _optime(found.get("optime"))
        lag = seconds_between(newest.ts if newest else None, optime.ts if optime else None)
        reason = _refusal(found, delay, lag, max_lag_seconds)
        members.append(
            MemberFacts(
                member=found["name"],
                state=found.get("stateStr", "UNKNOWN"),
                eligible=reason is None,
                reason=reason or "eligible",
                lag_seconds=lag,
                hidden=bool(setting.get("hidden", False)),
                priority=float(setting.get("priority", 1)),
                delay_seconds=delay,
                optime=optime,
            )
        )
    majority = _optime(status.get("optimes", {}).get("lastCommittedOpTime"))
    return Topology(primary["name"] if primary else None, tuple(members), newest, majority, prefer)


def _refusal(found: dict[str, Any], delay: int, lag: int | None, max_lag_seconds: int) -> str | None:
    state = found.get("stateStr", "UNKNOWN")
    if found.get("health") != 1:
        return f"unreachable ({found.get('lastHeartbeatMessage') or state})"
    if state == "PRIMARY":
        return "it is the primary"
    if state != "SECONDARY":
        return f"its state is {state}"
    if delay:
        return f"it is delayed by {delay} s"
    if lag is None:
        return "how far it is behind is unknown (no primary)"
    if lag > max_lag_seconds:
        return f"it is {lag} s behind, more than source.max_lag_seconds ({max_lag_seconds})"
    return None


class SourceSet:
    """Connections to the source, one client per member, always to that member alone."""

    def __init__(self, config: Config) -> None:
        """Nothing is connected yet."""
        self._config = config
        self._clients: dict[str, Client] = {}
        self._seeds: Client | None = None

    def _options(self) -> dict[str, Any]:
        source = self._config.source
        milliseconds = int(source.connect_timeout_seconds * 1000)
        options: dict[str, Any] = {
            "appname": f"backup-agent {self._config.job}",
            "connectTimeoutMS": milliseconds,
            "serverSelectionTimeoutMS": milliseconds,
            "socketTimeoutMS": 120_000,
            "retryReads": False,
            "retryWrites": False,
        }
        if source.username is not None:
            options |= {
                "username": source.username,
                "password": self._config.password(),
                "authSource": source.auth_source,
            }
        if source.auth_mechanism is not None:
            options["authMechanism"] = source.auth_mechanism
        if source.tls is not None:
            options |= {"tls": True, "tlsAllowInvalidHostnames": source.tls.allow_invalid_hostnames}
            if source.tls.ca_file:
                options["tlsCAFile"] = str(source.tls.ca_file)
            if source.tls.certificate_key_file:
                options["tlsCertificateKeyFile"] = str(source.tls.certificate_key_file)
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

    def client(self, member: str) -> Client:
        """Return the client of one member (direct connection)."""
        if member not in self._clients:
            self._clients[member] = MongoClient(f"mongodb://{member}/?directConnection=true", **self._options())
        return self._clients[member]

    def close(self) -> None:
        """Close every connection."""
        for client in [*self._clients.values(), *([self._seeds] if self._seeds else [])]:
            with contextlib.suppress(PyMongoError):
                client.close()
        self._clients, self._seeds = {}, None

    def topology(self) -> Topology:
        """Ask the primary, or whichever member answers when there is none.

        Raises Transient when no member answers, BadConfiguration when the credentials or the set's name are wrong.
        """
        return asked("replSetGetStatus", self._topology)

    def _topology(self) -> Topology:
        client = self.seeds()
        names = [f"{host}:{port}" for host, port in client.nodes] or _seed_list(client)
        primary = client.primary
        if primary is not None:
            names.insert(0, f"{primary[0]}:{primary[1]}")
        last: PyMongoError | None = None
        for name in names:
            try:
                admin = self.client(name).admin
                status = admin.command("replSetGetStatus")
                config = admin.command("replSetGetConfig")["config"]
            except OperationFailure as error:
                if error.code in (AUTHENTICATION_FAILED, UNAUTHORIZED):
                    raise
                last = error
                continue
            except PyMongoError as error:
                last = error
                continue
            wanted = self._config.source.replica_set
            if status["set"] != wanted:
                raise BadConfiguration(
                    f"source.replica_set: expected the name of the set, found {wanted!r}, but {name} is in {status['set']!r}"
                )
            return judge(status, config, self._config.source.max_lag_seconds, self._config.source.prefer)
        raise Transient(f"expected an answer from a member of {self._config.source.replica_set}, found: {last}")

    def data_bearing(self) -> list[str]:
        """Return every member of the set's configuration that has data (no arbiters)."""
        healthy = [m.member for m in self.topology().members if m.state in ("PRIMARY", "SECONDARY")]
        if not healthy:
            raise Transient("expected a member in state PRIMARY or SECONDARY, found none")
        config = asked("replSetGetConfig", lambda: self.client(healthy[0]).admin.command("replSetGetConfig"))
        return [m["host"] for m in config["config"]["members"] if not m.get("arbiterOnly", False)]


def _seed_list(client: Client) -> list[str]:
    return [f"{host}:{port}" for host, port in client.topology_description.server_descriptions()]


def asked(what: str, call: Callable[[], Result]) -> Result:
    """Call something that talks to the source and translate the driver's errors.

    Raises BadConfiguration for refused credentials or missing rights, Transient for the rest.
    """
    try:
        return call()
    except OperationFailure as error:
        if error.code == AUTHENTICATION_FAILED:
            raise BadConfiguration(
                "source: the server refused the user name or the password; correct source.username or the content of "
                "source.password_file"
            ) from error
        if error.code == UNAUTHORIZED:
            raise BadConfiguration(
                f"source: the user may not do what {what} needs; grant it the roles backup and clusterMonitor on admin"
            ) from error
        raise Transient(f"{what}: {error.details.get('errmsg') if error.details else error}") from error
    except PyMongoError as error:
        raise Transient(f"{what}: {str(error)[:300]}") from error


def member_majority(client: Client) -> OpTime | None:
    """Return the optime up to which this member can show majority-committed data.

    It may have heard of a later commit point than it has applied, so the earliest of what it says counts.
    """
    optimes = asked("replSetGetStatus", lambda: client.admin.command("replSetGetStatus"))["optimes"]
    found = [_optime(optimes.get(n)) for n in ("lastCommittedOpTime", "readConcernMajorityOpTime", "appliedOpTime")]
    return None if None in found else min(optime for optime in found if optime is not None)


def member_state(client: Client) -> str:
    """Return `PRIMARY`, `SECONDARY`, … as the member says of itself."""
    hello = asked("hello", lambda: client.admin.command("hello"))
    if hello.get("isWritablePrimary"):
        return "PRIMARY"
    return "SECONDARY" if hello.get("secondary") else "OTHER"


class TimedReadConcern(ReadConcern):
    """A read concern with `afterClusterTime` or `atClusterTime`.

    The driver sets these through sessions only, and denies sessions to a direct connection to a hidden member, which is the
    member that backups like best. The server takes the field from any command.
    """

    def __init__(self, level: str, **times: Timestamp) -> None:
        """`times` is `afterClusterTime` with level majority, `atClusterTime` with level snapshot."""
        super().__init__(level)
        self._times = times

    @property
    def document(self) -> dict[str, Any]:
        """The read concern as it is sent."""
        return {**super().document, **self._times}


MAJORITY = ReadConcern("majority")


def raw_collection(client: Client, namespace: str, concern: ReadConcern | None = None) -> Collection[RawBSONDocument]:
    """Return a collection whose documents are read as raw bytes."""
    database, _, name = namespace.partition(".")
    found: Any = client[database].get_collection(name, codec_options=cast(Any, RAW), read_concern=concern)
    return cast("Collection[RawBSONDocument]", found)


def edge_entry(client: Client, newest: bool) -> RawBSONDocument | None:
    """Return the newest or the oldest entry of a member's oplog."""
    oplog = raw_collection(client, "local.oplog.rs")
    return asked("oplog", lambda: oplog.find_one({}, sort=[("$natural", -1 if newest else 1)]))


def entry_at(client: Client, ts: Timestamp) -> RawBSONDocument | None:
    """Return the oplog entry with exactly this timestamp, or None."""
    oplog = raw_collection(client, "local.oplog.rs")
    return asked("oplog", lambda: oplog.find_one({"ts": ts}))
