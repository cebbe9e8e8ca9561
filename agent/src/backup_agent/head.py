"""A private mongod beside the agent: the head, and the scratch copies of proofs and estimates.

It listens on a Unix socket only, dies with the agent (PR_SET_PDEATHSIG) and has no TTL monitor, so that nothing but the agent
changes its data. A head is a single-node replica set, which gives it transactions; a scratch copy is a standalone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from backup_agent.errors import AgentError, BadConfiguration, Transient
from backup_agent.namespaces import OWN_DATABASE
from backup_agent.values import RAW, TOLERANT, Client, text_of
from backup_agent.words import logged, words

SET_NAME = "backup-head"
OPLOG_MB = 256
START_SECONDS = 60
INDEX_BUILD_MB = 64
"""What the builds of one collection's indexes may take beside the cache. Three run at once: the server holds back more
(SERVER-47155), and its default for one is 200 MB."""

LOG_BYTES = 64 * 1024 * 1024
"""A log that is larger is put aside, and the one that was put aside before is deleted."""
LAST_BYTES = 128 * 1024
"""So much of the end of a log is looked at for its last words."""
LAST_SECONDS = 5
"""How long a mongod that has closed its connections may take to end."""
SHARD_RECORDS = ["shardIdentity", "minOpTimeRecovery"]
"""In `admin.system.version`: which cluster a member is of, by the addresses of its config servers."""
NOWHERE = "restored.invalid:1"
"""A host that no name server knows (RFC 2606)."""
NOT_YET_INITIALIZED = 94
INVALID_SET_CONFIG = 93
PR_SET_PDEATHSIG = 1
EVICTION = "eviction_dirty_trigger=60,eviction_dirty_target=30,eviction_updates_trigger=60,eviction_updates_target=30"
"""A transaction of one document of 16 MB is twice that in the cache, with its oplog entry: a small cache must have room for a few
of them. The engine's own limits (20 % dirty, 10 % updates) are made for caches of gigabytes that many clients share."""


_libc = ctypes.CDLL(None, use_errno=True)


def dies_with_agent(by: signal.Signals) -> Callable[[], None]:
    """Return what a child does before it becomes its program: it lets the kernel end it, by this signal, when the agent ends.

    The kernel sends nothing for a parent that has ended before (prctl(2)): such a child ends at once.
    """
    agent = os.getpid()

    def prepare() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, by)
        if os.getppid() != agent:
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare


def _not_by_a_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


ENDED_BY_OTHERS = (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)
"""Exit statuses of a mongod that did not fail by itself: it was told to stop, or killed (by the kernel, when memory is short)."""


class HeadFailed(AgentError):
    """The mongod did not come up or went away; the caller decides what that means.

    `by_itself`: it ended by itself with an error, or refused to be used. Not so when it was killed or took too long to start.
    """

    def __init__(self, message: str, by_itself: bool = False) -> None:
        super().__init__(message)
        self.by_itself = by_itself


def mongod_version(mongod: Path) -> str:
    """Return the version of a mongod binary, such as `6.0.5`.

    Raises BadConfiguration when it is missing or does not run.
    """
    try:
        out = subprocess.run(
            [str(mongod), "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            start_new_session=True,  # away from the terminal: what is typed there may be root's
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise BadConfiguration(
            f"head.mongod: expected a mongod that runs, found {mongod}: {error}; install one of the source's major version"
        ) from error
    found = re.search(r"db version v(\d+\.\d+\.\d+)", out)
    if found is None:
        raise BadConfiguration(
            f"head.mongod: expected the version of a mongod from {mongod} --version, found {out[:80]!r}"
        )
    return found[1]


class Mongod:
    """One mongod process on a directory and a socket of its own."""

    def __init__(self, mongod: Path, directory: Path, socket: Path, cache_mb: int, replica_set: bool = True) -> None:
        """Nothing is started yet. `directory` holds `data/` and `mongod.log`."""
        self._mongod, self.directory, self.socket = mongod, directory, socket
        self._cache_mb, self._replica_set = cache_mb, replica_set
        self._process: subprocess.Popen[bytes] | None = None
        self._client: Client | None = None
        self._patience: float = START_SECONDS

    @property
    def dbpath(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def was_killed(self) -> bool:
        """Whether somebody ended it with SIGKILL (the kernel does, when memory is short): it did not fail by itself."""
        return self._process is not None and self._process.poll() == -signal.SIGKILL

    @property
    def failed(self) -> bool:
        """Whether it ended by itself with an error: one that was killed, or told to stop, did not."""
        return self._process is not None and self._process.poll() not in (None, *ENDED_BY_OTHERS)

    @property
    def client(self) -> Client:
        """The client. Raises HeadFailed when it is not running."""
        if self._client is None or not self.alive:
            raise HeadFailed(f"expected a running mongod on {self.socket}, found none; {self.last_words()}")
        return self._client

    def _arguments(self) -> list[str]:
        options: dict[str, object] = {
            "dbpath": self.dbpath,
            "logpath": self.log,
            "logRotate": "reopen",
            "bind_ip": self.socket,
            "wiredTigerCacheSizeGB": self._cache_mb / 1024,
            "wiredTigerEngineConfigString": EVICTION,
        }
        parameters: dict[str, object] = {
            "ttlMonitorEnabled": "false",
            "diagnosticDataCollectionEnabled": "false",
            "transactionLifetimeLimitSeconds": 24 * 3600,
        }
        if self._replica_set:
            options |= {"replSet": SET_NAME, "oplogSize": OPLOG_MB}
            parameters["shutdownTimeoutMillisForSignaledShutdown"] = 0
            # After a crash the server replays its own oplog, by several threads that share out the documents of a collection:
            # those of one that is to become capped would lose their order. Nothing else is replicated here.
            parameters["replWriterThreadCount"] = 1
            parameters["maxIndexBuildMemoryUsageMegabytes"] = INDEX_BUILD_MB
        given = [*options.items(), *(("setParameter", f"{name}={value}") for name, value in parameters.items())]
        pairs = [part for name, value in given for part in (f"--{name}", str(value))]
        # Nothing runs JavaScript here. Without it the memory of the process need never be both written and executed.
        return [str(self._mongod), "--logappend", "--nounixsocket", "--noscripting", *pairs]

    def start(self, patience: float = START_SECONDS) -> Client:
        """Start it, or return the client of the running one. It may take `patience` seconds to answer, and again to be usable.

        Raises HeadFailed with the end of its log when it does not come up.
        """
        if self.alive and self._client is not None:
            return self._client
        self._patience = patience
        self._forget_client()
        self.dbpath.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(self.directory, 0o700)
        self.socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._stop_orphan()
        self.socket.unlink(missing_ok=True)
        with open(self.directory / "mongod.out", "ab", opener=_not_by_a_link) as out:
            self._process = subprocess.Popen(
                self._arguments(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # The agent's other threads hold no lock that prctl needs.
                preexec_fn=dies_with_agent(signal.SIGKILL),  # noqa: PLW1509
                start_new_session=True,  # Ctrl-C in the terminal of `run` must not reach it before the agent is done
            )
        try:
            self._wait(self._answers)
            if self._replica_set:
                self._become_primary()
        except PyMongoError as error:
            refused = isinstance(error, OperationFailure) or self._fails_now()
            self.kill()
            raise HeadFailed(
                f"expected a mongod that can be used on {self.socket}, found: {words(error)}", refused
            ) from error
        except BaseException:
            self.kill()  # one that runs and cannot be used would be taken for a healthy one
            raise
        self._client = self._connect()
        return self._client

    def _fails_now(self) -> bool:
        """Whether it ends by itself with an error, after a connection to it was lost: that is seen a moment earlier."""
        return self.ended(LAST_SECONDS) and self.failed

    def ended(self, within: float = 0.0) -> bool:
        """Whether the process has ended, or ends within so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(timeout=within)
        return not self.alive

    def _connect(self) -> Client:
        return MongoClient(
            f"mongodb://{quote_plus(str(self.socket))}/?directConnection=true",
            serverSelectionTimeoutMS=10_000,
            retryWrites=False,
            retryReads=False,
            serverMonitoringMode="poll",  # one thread less: its process is what is watched
        )

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._patience
        while not done():
            if not self.alive:
                status = self._process.poll() if self._process is not None else None
                raise HeadFailed(
                    f"expected mongod to start on {self.dbpath}, it ended ({status}); {self.last_words()}", self.failed
                )
            if time.monotonic() > deadline:
                self.kill()
                raise HeadFailed(
                    f"expected mongod to answer in {self._patience:g} s on {self.socket}; {self.last_words()}"
                )
            time.sleep(0.05)

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        with contextlib.closing(self._connect()) as client, contextlib.suppress(PyMongoError):
            client.admin.command("ping")
            return True
        return False

    def _become_primary(self) -> None:
        with contextlib.closing(self._connect()) as client:
            self._configure(client, {"_id": 0, "host": str(self.socket)})

            def primary() -> bool:
                with contextlib.suppress(PyMongoError):
                    return bool(client.admin.command("hello").get("isWritablePrimary"))
                return False

            self._wait(primary)

    def _configure(self, client: Client, member: dict[str, Any]) -> None:
        try:
            client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                client.admin.command("replSetInitiate", {"_id": SET_NAME, "members": [member]})
                return
            if error.code != INVALID_SET_CONFIG:
                raise
            self._move(client, member)

    def _move(self, client: Client, member: dict[str, Any]) -> None:
        """Tell the set that its member has another socket now (the configuration was changed)."""
        config = client.local["system.replset"].find_one() or {}
        config |= {"members": [member], "version": int(config.get("version", 1)) + 1}
        client.admin.command("replSetReconfig", config, force=True)

    def _stop_orphan(self) -> None:
        """Kill what an agent that died left here: the kernel normally did, and it may still be about to end.

        A mongod writes its process id into the file that it locks in its data directory, and does not hold it after a crash.
        """
        with contextlib.suppress(OSError, ValueError):
            pid = int(text_of(self.dbpath / "mongod.lock", 64))
            while self._runs_here(pid):
                os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)

    def _runs_here(self, pid: int) -> bool:
        """Whether a process is a mongod of this directory; one that has ended and was not waited for has no command line."""
        return str(self.dbpath).encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")

    def stop(self) -> None:
        """Stop it cleanly (a fsync lock that is still held would block that; it is killed after 60 s)."""
        self._forget_client()
        if self._process is None:
            return
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def _forget_client(self) -> None:
        """Close the client. It wants to end its sessions, and waits ten seconds for a server that has gone: beside us, then."""
        client, self._client = self._client, None
        if client is None:
            return
        if self.alive:
            client.close()
        else:
            threading.Thread(target=client.close, name="closing", daemon=True).start()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._forget_client()
        if self._process is not None and self.alive:
            self._process.kill()
            self._process.wait()

    def remove(self) -> None:
        """Stop it at once and delete its directory."""
        self.kill()
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.socket.unlink(missing_ok=True)

    @property
    def log(self) -> Path:
        """Where it logs."""
        return self.directory / "mongod.log"

    def bound_log(self) -> None:
        """Begin another log when this one has become large; the one before the last goes. Raises PyMongoError, OSError."""
        if self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
            self.client.admin.command("logRotate", 1)

    def last_words(self) -> str:
        """Return the last errors of its log, shortened, for error messages."""
        with contextlib.suppress(OSError), open(self.log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
            serious = [line for line in lines if '"s":"F"' in line or '"s":"E"' in line]
            if serious:
                return "its log says: " + " / ".join(logged(line)[:300] for line in serious[-3:]) + f" ({self.log})"
        return f"its log is {self.log}"


def alive_or_transient(mongod: Mongod) -> None:
    """Raise Transient when the process has gone away, so that the loop starts it again."""
    if not mongod.alive:
        raise Transient(f"expected the head to run, it ended; {mongod.last_words()}")


def make_plain(client: Client) -> None:
    """Take out what the head needed and a restored server must not have; the client is of a standalone.

    That is `local` (the head's set, with its name and its member on a socket), the agent's own database, and the records of the
    agent's own transactions. Afterwards the directory starts as a plain mongod and as the first member of a new set.

    A shard would look for the cluster that it came from: it forgets its identity. The restore of a whole cluster can write a new
    one from the config servers' `config.shards` (the set's name is kept there) and `config.version`.
    """
    client.drop_database("local")
    client.drop_database(OWN_DATABASE)
    client.admin["system.version"].delete_many({"_id": {"$in": SHARD_RECORDS}})
    for collection in ("transactions", "image_collection", "system.sessions"):
        client.config.drop_collection(collection)
    client.admin.command("fsync")


def point_nowhere(client: Client) -> None:
    """Let a config server's list of shards lead nowhere, by their sets' names alone: its balancer would move the chunks of the
    cluster that it came from. For a copy that is kept; one that is compared with its source needs the list as it was.
    """
    shards = client.config.get_collection("shards", codec_options=TOLERANT)
    for which in list(shards.with_options(RAW).find({}, {"_id": 1})):  # filters as they are: no `_id` is decoded
        host = (shards.find_one(which, {"_id": 0, "host": 1}) or {}).get("host", "")
        shards.update_one(which, {"$set": {"host": f"{str(host).partition('/')[0]}/{NOWHERE}"}})
