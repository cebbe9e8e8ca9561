"""A real agent process beside a real replica set, and the oracle that compares them: the server's own dbHash."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import yaml
from pymongo import MongoClient

from backup_agent.config import load
from backup_agent.daemon.status import collect
from backup_agent.source.member import raw_collection
from backup_agent.state.store import Store
from backup_agent.values import to_json
from lab import ReplicaSet
from lab.binaries import find_mongod
from lab.repository import make_repository
from tests.integration.forked import Forked, call

Json = dict[str, Any]
Client = MongoClient[Json]
PASSWORD = "correct horse"
INTERNAL = ("local", "mongodb_ops_backup_head")
KEPT = {
    "admin": ("system.users", "system.roles"),
    "config": ("chunks", "collections", "csrs.indexes", "databases", "placementHistory", "settings", "shards", "tags", "version"),
}  # fmt: skip
"""Of the server's own collections, what belongs to a backup."""


def wait_until(what: str, condition: Callable[[], Any], seconds: float = 180) -> Any:
    """Return the first true value of a condition; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


def command(*arguments: str, **environment: str) -> tuple[int, Json]:
    """Run a command of the agent; returns its exit code and its JSON, which is empty where it was killed."""
    run = _execute if "LD_PRELOAD" in environment else call
    code, printed, errors = run([*arguments, "--json"], {**os.environ, **environment})
    assert printed.startswith("{") or code < 0, f"{arguments}: {printed!r} {errors!r}"
    return code, json.loads(printed or "{}")


def _execute(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a command as `call` does, in an interpreter of its own: what is preloaded is there from its start."""
    program = [sys.executable, "-m", "backup_agent", *arguments]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


class Agent:
    """One job: its configuration, its daemon as a child process, its command line."""

    def __init__(self, directory: Path, replica_set: ReplicaSet, /, repository: bool = True, **changes: Any) -> None:
        """`repository` says whether the job finds one, whose password is cheap to check; else the agent makes its own."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        for name in ("password", "user-password"):
            (directory / name).touch(0o600)
        (directory / "password").write_text(f"{PASSWORD}\n")
        if repository and not (directory / "repo").exists():
            make_repository(directory / "repo", PASSWORD)
        self.settings: Json = {
            "job": "orders",
            "directory": str(directory / "job"),
            "source": {"uri": replica_set.bare_uri, "replica_set": replica_set.name, "connect_timeout_seconds": 2},
            "head": {"mongod": str(find_mongod())},
            "repository": {"location": str(directory / "repo"), "password_file": str(directory / "password")},
            "snapshots": {"interval_hours": 0},
        }
        if replica_set.backup is not None:
            (directory / "user-password").write_text(replica_set.backup.password + "\n")
            self.settings["source"] |= {
                "username": replica_set.backup.name,
                "password_file": str(directory / "user-password"),
            }
        for path, value in changes.items():
            section, _, key = path.partition("__")
            if key:
                self.settings[section][key] = value
            else:
                self.settings[section] = value
        self.file = directory / "job.yml"
        self.write()
        self.environment: dict[str, str] = {}
        """Variables for the daemon and the command line, from their next start on."""
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self.program: list[str] = []
        """What the interpreter is told to run as the daemon, where that is not the agent as it is."""

    def write(self) -> None:
        """Write the configuration file."""
        self.file.write_text(yaml.safe_dump(self.settings))

    @property
    def log(self) -> str:
        """What the daemon has logged so far."""
        path = self.directory / "agent.log"
        return path.read_text() if path.exists() else ""

    def start(self, **failpoints: str) -> Agent:
        """Start the daemon, with failure points (`apply_before_commit="kill"` stands for `apply.before_commit=kill`)."""
        environment = {**os.environ, **self.environment}
        if failpoints:
            pairs = (f"{name.replace('_', '.', 1)}={action}" for name, action in failpoints.items())
            environment["BACKUP_AGENT_FAILPOINTS"] = ",".join(pairs)
        self._process = self._executed(environment) if self.environment or self.program else self._forked(environment)
        return self

    def _forked(self, environment: Mapping[str, str]) -> Forked:
        log = self.directory / "agent.log"
        return Forked(["--config", str(self.file), "run"], environment, log, log)

    def _executed(self, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        command = [sys.executable, *(self.program or ("-m", "backup_agent")), "--config", str(self.file), "run"]
        with open(self.directory / "agent.log", "ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the daemon runs."""
        return self._process is not None and self._process.poll() is None

    def wait_dead(self, seconds: float = 180) -> int:
        """Wait for the daemon to end by itself (a failure point killed it) and return its exit status."""
        assert self._process is not None
        return self._process.wait(timeout=seconds)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop it cleanly."""
        if self._process is not None and self.running:
            self._process.terminate()
            self._process.wait(timeout=60)

    def call(self, *arguments: str) -> tuple[int, Json]:
        """Run a command; returns its exit code and its JSON."""
        return command("--config", str(self.file), *arguments, **self.environment)

    def status(self) -> Json:
        """Return what `status` shows. Asked often, so in this process: starting the command takes longer than its answer."""
        config = load(self.file)
        with contextlib.closing(Store(config.state_file)) as store:
            found: Json = json.loads(json.dumps({"ok": True, **collect(config, store).to_json()}, default=str))
        return found

    def operation(self, identifier: str | None = None) -> Json:
        """Return an operation, by default the open or the newest one; in this process, as `status`."""
        with contextlib.closing(Store(load(self.file).state_file)) as store:
            found = store.operation(identifier) if identifier else store.open_operation() or store.newest_operation()
        answer: Json = json.loads(json.dumps(to_json(found), default=str))
        return answer

    def wait_operation(self, state: str = "done", seconds: float = 400, identifier: str | None = None) -> Json:
        """Wait until an operation has ended, and require how."""

        def ended() -> Json | None:
            found = self.operation(identifier)
            return found if found and found["state"] in ("done", "failed", "canceled") else None

        try:
            found: Json = wait_until("the operation ends", ended, seconds)
        except AssertionError:
            raise AssertionError(f"still open: {self.operation()}\n{self.log[-3000:]}") from None
        assert found["state"] == state, f"{found['error']}\n{self.log[-3000:]}"
        return found

    def wait_state(self, state: str, seconds: float = 180) -> Json:
        """Wait for a state of the job, and for the daemon: the state may be that of an earlier one."""

        def reached() -> Json | None:
            status = self.status()
            return status if status["agent"]["alive"] and status["state"] == state else None

        try:
            found: Json = wait_until(state, reached, seconds)
        except AssertionError:
            raise AssertionError(f"not {state}: {self.status()}\n{self.log[-3000:]}") from None
        return found

    def head(self, generation: int) -> Client:
        """Return a client of the running head."""
        where = self.settings["head"].get("socket_directory") or f"{self.settings['directory']}/run"
        socket = Path(where) / f"g{generation:06d}.sock"
        return MongoClient(f"mongodb://{quote_plus(str(socket))}/?directConnection=true", serverSelectionTimeoutMS=5000)


@contextlib.contextmanager
def started(directory: Path, where: Path, *arguments: str) -> Iterator[Client]:
    """Start a mongod on a restored directory; its socket is `s.sock` in `where`."""
    socket = where / "s.sock"
    command = [str(find_mongod()), "--dbpath", str(directory), "--bind_ip", str(socket), "--nounixsocket", *arguments]
    command += ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client: Client = MongoClient(f"mongodb://{quote_plus(str(socket))}/?directConnection=true")
    try:
        wait_until("the restored mongod answers", lambda: client.admin.command("ping"))
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(timeout=60)


@contextlib.contextmanager
def an_agent(where: Path, replica_set: ReplicaSet, /, **changes: Any) -> Iterator[Agent]:
    """Give an agent that is killed at the end, whatever happens; it is not started yet."""
    agent = Agent(where, replica_set, **changes)
    try:
        yield agent
    finally:
        if agent.running:
            agent.kill()


def contents(client: Client) -> Json:
    """Return what a deployment holds.

    That is for every collection its hash by the server, its options and its indexes, of a capped one also its documents in their
    order; views; users and roles.
    """
    found: Json = {}
    for database in client.list_database_names():
        if database in INTERNAL:
            continue
        hashes = client[database].command("dbHash")["collections"]
        for info in client[database].list_collections():
            name = info["name"]
            if name != "system.profile" and _belongs(database, name):
                found[f"{database}.{name}"] = _described(client, database, info, hashes.get(name))
    return found


def _belongs(database: str, name: str) -> bool:
    return name in KEPT.get(database, ()) or not (
        database == "config" or (database == "admin" and name.startswith("system."))
    )


def _described(client: Client, database: str, info: Mapping[str, Any], hashed: str | None) -> Json:
    where = raw_collection(client, f"{database}.{info['name']}")
    listed: Json = {"type": info["type"], "options": {k: v for k, v in info["options"].items() if k != "uuid"}}
    if info["type"] != "collection":
        return listed
    indexes = {
        i["name"]: {k: v for k, v in i.items() if k != "ns"} for i in client[database][info["name"]].list_indexes()
    }
    order = [bytes(d.raw) for d in where.find().hint([("$natural", 1)])] if info["options"].get("capped") else None
    if hashed is None:  # dbHash leaves out users and roles
        hashed = hashlib.sha256(b"".join(bytes(d.raw) for d in where.find().sort("_id"))).hexdigest()
    return {**listed, "uuid": info["info"]["uuid"], "hash": hashed, "indexes": indexes, "order": order}


def builds(client: Client) -> list[str]:
    """Name the index builds that are not committed yet: `listIndexes` lists them like those that are."""
    return [
        f"{database}.{name}.{index}"
        for database in client.list_database_names()
        if database not in INTERNAL
        for name in client[database].list_collection_names(filter={"type": "collection"})
        for index in client[database].command("collStats", name)["indexBuilds"]
    ]


def assert_equal(
    agent: Agent, replica_set: ReplicaSet, seconds: float = 180, member: int | None = None
) -> Mapping[str, Any]:
    """Require that the head holds exactly what the primary holds, or a member; no client may write to the source.

    Index builds whose client is gone go on, and wait for the vote of a member that was away; they are waited for.
    """
    with replica_set.client() as primary:
        wait_until("the source's index builds are committed", lambda: not builds(primary), seconds)
        note = primary.admin.command("appendOplogNote", 1, data={"msg": "compare"}, writeConcern={"w": "majority"})
    with replica_set.client() if member is None else replica_set.member_client(member) as source:
        expected = contents(source)

    def applied() -> Json | None:
        status = agent.status()
        assert not [alert for alert in status["alerts"] if alert["kind"] in ("resync_required", "stopped")]
        at = status["applied"] or {"time": 0, "increment": 0}
        target = note["operationTime"]
        return status if (at["time"], at["increment"]) >= (target.time, target.inc) else None

    try:
        status = wait_until("the head has caught up", applied, seconds)
    except AssertionError:
        raise AssertionError(f"{agent.status()}\n{agent.log[-3000:]}") from None
    with agent.head(status["generation"]) as head:
        found = contents(head)
    assert expected, "zero collections compared"
    assert sorted(expected) == sorted(found)
    unequal = {name: (expected[name], found[name]) for name in expected if expected[name] != found[name]}
    assert [] == sorted(unequal), str(unequal)[:3000]
    return expected
