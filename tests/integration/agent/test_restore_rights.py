"""Somebody with the repository's password forges snapshots, and root restores them: nothing but the account's own is reached."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import select
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bson import ObjectId
from harness import PASSWORD, Agent, Client, Json, an_agent, command, contents, started, wait_until
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.private_mongod import private_mongod
from backup_agent.cli.account import become, named
from lab import Member, ReplicaSet
from lab.binaries import find_mongod
from tests.integration.forked import call

if os.geteuid() != 0:
    pytest.skip("only root has rights to give up", allow_module_level=True)

OWNER = "daemon"
"""Whose the repository is: every machine has this account, and it owns next to nothing."""


@dataclass
class Place:
    """A directory that every account can look into: the repository, a password of root, and files that are nobody's business."""

    root: Path
    held: Json
    """What the source held when the snapshot was taken."""

    @property
    def repository(self) -> Path:
        """The repository, which belongs to OWNER."""
        return self.root / "repo"

    @property
    def password(self) -> Path:
        """The file with its password, which root alone can read."""
        return self.root / "password"

    @property
    def foreign(self) -> Path:
        """A directory of root with a file in it."""
        return self.root / "foreign"

    def restic(self, *arguments: str, cwd: Path | None = None) -> str:
        """Run restic as root, as somebody with the password can on a machine of their own."""
        environment = {
            **os.environ,
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD_FILE": str(self.password),
        }
        done = subprocess.run(
            ["restic", "--json", "--no-cache", *arguments],
            env=environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def restore(self, target: Path, *options: str) -> tuple[int, Json]:
        """Restore from the repository alone, as root would."""
        given = ("--repository", str(self.repository), "--password-file", str(self.password))
        return command("restore", *given, "--target", str(target), "--mongod", str(find_mongod()), *options)

    def forge(self, alter: Callable[[Path, Path], object]) -> None:
        """Put an altered snapshot into the place of the one that there is."""
        (found,) = [one for one in json.loads(self.restic("snapshots")) if "kind=slices" not in one["tags"]]
        with tempfile.TemporaryDirectory(prefix="forge-") as directory:
            tree = Path(directory)
            self.restic("restore", found["id"], "--target", directory)
            alter(tree, self.foreign)
            tags = [part for tag in found["tags"] for part in ("--tag", tag)]
            names = sorted(path.name for path in tree.iterdir())
            self.restic("backup", "--host", found["hostname"], *tags, "--", *names, cwd=tree)
        self.restic("forget", found["id"])
        give(self.repository, OWNER)

    def untouched(self) -> bool:
        """Whether what is nobody's business is as it was."""
        (precious,) = self.foreign.iterdir()
        files = [self.foreign.lstat(), precious.lstat()]
        return precious.read_text() == "mine\n" and [(0, 0o40755), (0, 0o100644)] == [
            (file.st_uid, file.st_mode) for file in files
        ]


def give(path: Path, name: str) -> None:
    """Give a tree to an account."""
    found = pwd.getpwnam(name)
    for one in (path, *path.rglob("*")):
        os.chown(one, found.pw_uid, found.pw_gid, follow_symlinks=False)


def owners(path: Path) -> set[str]:
    """Return who owns what is in a tree."""
    return {pwd.getpwuid(one.lstat().st_uid).pw_name for one in (path, *path.rglob("*"))}


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Agent, Json]]:
    """Give an agent that has stored a snapshot and ended, and what its source held."""
    members, directory = [Member(priority=2), Member()], tmp_path_factory.mktemp("rs")
    with (
        ReplicaSet("rs0", members, directory=directory) as replica_set,
        replica_set.client(w="majority") as client,
        an_agent(tmp_path_factory.mktemp("agent"), replica_set) as agent,
    ):
        client.shop.c.insert_many([{"_id": i} for i in range(100)])
        agent.start()
        agent.wait_operation()
        agent.stop()
        yield agent, contents(client)


@pytest.fixture
def place(taken: tuple[Agent, Json]) -> Iterator[Place]:
    """Give a copy of the repository in a place of its own."""
    agent, held = taken
    found = Place(Path(tempfile.mkdtemp(prefix="rights-")), held)
    found.root.chmod(0o755)
    shutil.copytree(agent.settings["repository"]["location"], found.repository)
    for lock in (found.repository / "locks").iterdir():  # of a restic that was ended with its agent
        lock.unlink()
    give(found.repository, OWNER)
    found.password.write_text(f"{PASSWORD}\n")
    found.password.chmod(0o600)
    found.foreign.mkdir(mode=0o755)
    (found.foreign / "precious").write_text("mine\n")
    (found.foreign / "precious").chmod(0o644)
    yield found
    shutil.rmtree(found.root)


def _data_elsewhere(tree: Path, foreign: Path) -> None:
    shutil.rmtree(tree / "data")
    (tree / "data").symlink_to(foreign)


def _two_names(tree: Path, _foreign: Path) -> None:
    (tree / "data" / "odd").write_text("x")
    os.link(tree / "data" / "odd", tree / "data" / "other")


FORGED: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "output": (lambda tree, foreign: (tree / "mongod.out").symlink_to(foreign / "precious"), "mongod.out, which is a link"),
    "log": (lambda tree, foreign: (tree / "mongod.log").symlink_to(foreign / "precious"), "mongod.log, which is a link"),
    "data": (_data_elsewhere, "data, which is a link"),
    "file": (lambda tree, _foreign: (tree / "data" / "x.wt").symlink_to("/etc/shadow"), "data/x.wt, which is a link"),
    "pipe": (lambda tree, _foreign: os.mkfifo(tree / "mongod.log"), "mongod.log, which is a pipe"),
    "names": (_two_names, "which is one of 2 names of a file"),
    "terminal": (lambda tree, _foreign: (tree / "data" / "\x1b[2J\nverdict: ok").symlink_to("x"), "verdict: ok, which is a link"),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_snapshot_is_refused_and_reaches_nothing(place: Place, kind: str) -> None:
    """Restored as root, and with root's rights on purpose: what is odd is named, and nothing of anybody else changes."""
    alter, named = FORGED[kind]
    place.forge(alter)
    for number, options in enumerate(((), ("--as", "root"))):
        target = place.root / f"target{number}"
        code, found = place.restore(target, *options)
        assert 1 == code
        message = found["error"]["message"]
        assert named in message
        assert "no agent stores that: find out who has written to the repository" in message
        assert place.untouched()
        assert {(OWNER, "root")[number]} == owners(target)


def test_a_name_in_an_error_does_nothing_to_the_terminal(place: Place) -> None:
    """Neither does it clear the screen nor begin a line of its own."""
    place.forge(FORGED["terminal"][0])
    given = ("--repository", str(place.repository), "--password-file", str(place.password))
    _, _, errors = call(
        ["restore", *given, "--target", str(place.root / "t"), "--mongod", str(find_mongod())], os.environ
    )
    assert "\x1b" not in errors
    assert "\nverdict" not in errors
    assert r"data/\x1b[2J\nverdict: ok, which is a link" in errors


def test_a_device_is_only_a_failure_of_restic(place: Place) -> None:
    """An account makes none; with root's rights it is found and refused."""
    try:
        os.mknod(place.root / "probe", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this machine makes no devices")
    place.forge(lambda tree, _foreign: os.mknod(tree / "mongod.log", 0o666 | stat.S_IFCHR, os.makedev(1, 3)))
    assert 1 == place.restore(place.root / "target")[0]
    code, found = place.restore(place.root / "as-root", "--as", "root")
    assert 1 == code
    assert "mongod.log, which is a device" in found["error"]["message"]


@pytest.mark.parametrize("options", [(), ("--as", "root")])
def test_what_is_restored_has_no_special_bits_and_one_owner(place: Place, options: tuple[str, ...]) -> None:
    """A program that was to come back with root's rights, and a directory for everybody."""

    def alter(tree: Path, _foreign: Path) -> None:
        (tree / "data" / "program").write_text("#!/bin/sh\n")
        (tree / "data" / "program").chmod(0o6755)
        (tree / "data" / "open").mkdir()
        (tree / "data" / "open").chmod(0o2777)
        give(tree / "data", "nobody")

    place.forge(alter)
    target = place.root / "target"
    code, found = place.restore(target, *options)
    assert 0 == code, found
    modes = {name: stat.S_IMODE((target / name).stat().st_mode) for name in ("program", "open", ".")}
    assert {"program": 0o600, "open": 0o700, ".": 0o700} == modes
    assert {options[-1] if options else OWNER} == owners(target)
    with started(target, place.root) as client:
        assert place.held == contents(client)


SWAP = """#!/bin/sh
mv {target}/.restore/data {target}/.restore/away && ln -s {foreign} {target}/.restore/data
id -un > {target}/.restore/id
"""


@pytest.mark.release
@pytest.mark.parametrize("point", ["restore.downloaded", "restore.replayed"])
def test_an_account_that_changes_its_directory_meanwhile_reaches_nothing(place: Place, point: str) -> None:
    """Where root used to empty the directory that `data` pointed to, only the account's own rights are there."""
    target, program = place.root / "target", place.root / "swap"
    program.write_text(SWAP.format(target=target, foreign=place.foreign))
    program.chmod(0o755)
    given = ("restore", "--repository", str(place.repository), "--password-file", str(place.password))
    code, found = command(
        *given,
        "--target",
        str(target),
        "--mongod",
        str(find_mongod()),
        BACKUP_AGENT_FAILPOINTS=f"{point}=run:{program}",
    )
    assert code != 0, found
    assert place.untouched()
    assert OWNER == (target / ".restore" / "id").read_text().strip()


SPY = """#!/bin/sh
exec 3>&1 4>&2 > {place}/seen-$(id -un) 2>&1
id -u; id -G; cat /proc/$$/environ /proc/$$/cmdline /etc/shadow
exec 1>&3 2>&4 3>&- 4>&-
exec {program} "$@"
"""


def spy(place: Place, program: str) -> Path:
    """Return a program that notes who it is and what it can see, and is then another one."""
    path = place.root / f"spy-{Path(program).name}"
    path.write_text(SPY.format(place=place.root / "notes", program=program))
    path.chmod(0o755)
    (place.root / "notes").mkdir(exist_ok=True)
    (place.root / "notes").chmod(0o777)
    return path


def require_seen_by(place: Place, name: str) -> None:
    """Require that this account ran the program, no other did, and neither secrets nor root's rights were there."""
    (seen,) = (place.root / "notes").iterdir()
    text, found = seen.read_text(), pwd.getpwnam(name)
    assert f"seen-{name}" == seen.name
    assert [str(found.pw_uid), str(found.pw_gid)] == text.splitlines()[:2]
    assert "Permission denied" in text
    assert PASSWORD not in text


def test_the_password_of_root_reaches_restic_and_nobody_else(place: Place) -> None:
    """Restic reads it from an open file: it is in no argument, in no variable and in no file that has a name."""
    given = ("--repository", str(place.repository), "--password-file", str(place.password))
    code, found = command("ranges", *given, "--restic", str(spy(place, shutil.which("restic") or "restic")))
    assert (0, 1) == (code, len(found["snapshots"]))
    require_seen_by(place, OWNER)


def test_programs_of_the_options_run_as_the_account(place: Place) -> None:
    """Also where it is named with --as."""
    give(place.repository, "nobody")
    mongod = spy(place, str(find_mongod()))
    given = ("--repository", str(place.repository), "--password-file", str(place.password), "--as", "nobody")
    code, found = command("restore", *given, "--target", str(place.root / "target"), "--mongod", str(mongod))
    assert 0 == code, found
    require_seen_by(place, "nobody")
    assert {"nobody"} == owners(place.root / "target")


@pytest.mark.parametrize("owner", ["configuration", "directory"])
@pytest.mark.parametrize("asked", ["ranges", "check-config", "restore"])
def test_programs_of_a_configuration_run_as_its_account(
    taken: tuple[Agent, Json], place: Place, asked: str, owner: str
) -> None:
    """Root runs nothing that is named there, whoever wrote it: as 0.1.0 left it, and as it is now."""
    job = place.root / "job"
    job.mkdir()
    give(place.password, OWNER)
    give(job, OWNER)
    settings = {**taken[0].settings, "directory": str(job)}
    settings["head"] = {"mongod": str(spy(place, str(find_mongod())))}
    settings["repository"] = {
        "location": str(place.repository),
        "password_file": str(place.password),
        "restic": str(spy(place, shutil.which("restic") or "restic")),
    }
    config = place.root / "job.yml"
    config.write_text(json.dumps(settings))
    if owner == "configuration":
        give(config, OWNER)
    arguments = ("--target", str(place.root / "target")) if asked == "restore" else ()
    code, found = command("--config", str(config), asked, *arguments)
    assert code in (0, 1), found  # no member of the source answers check-config any more
    require_seen_by(place, OWNER)
    assert {OWNER} == owners(job)


def test_a_configuration_cannot_name_a_file_of_root_as_its_password(taken: tuple[Agent, Json], place: Place) -> None:
    """Root passes on what root names, and nothing that others do."""
    job, notes, thief = place.root / "job", place.root / "notes", place.root / "thief"
    job.mkdir()
    notes.mkdir()
    thief.write_text(
        f'#!/bin/sh\ncat "$RESTIC_PASSWORD_FILE" /proc/self/fd/* > {notes}/stolen 2>&1 < /dev/null\nexit 1\n'
    )
    thief.chmod(0o755)
    repository = {"location": str(place.repository), "password_file": str(place.password), "restic": str(thief)}
    config = place.root / "job.yml"
    config.write_text(json.dumps({**taken[0].settings, "directory": str(job), "repository": repository}))
    for path in (job, notes, config):
        give(path, OWNER)
    code, found = command("--config", str(config), "ranges")
    assert (1, False) == (code, found["ok"])
    assert "Permission denied" in (notes / "stolen").read_text()
    assert PASSWORD not in (notes / "stolen").read_text()


def test_a_repository_of_root_needs_an_account(place: Place) -> None:
    """Nothing is made before somebody says who is to work."""
    give(place.repository, "root")
    code, found = place.restore(place.root / "target")
    assert (2, "bad_configuration") == (code, found["error"]["code"])
    assert "found root; name one with --as" in found["error"]["message"]
    assert not (place.root / "target").exists()


def test_a_directory_of_somebody_else_is_not_filled(place: Place) -> None:
    """Neither through a link nor in a place where its owner could put one."""
    theirs = place.root / "theirs"
    theirs.mkdir()
    give(theirs, "nobody")
    (place.root / "link").symlink_to(place.foreign)
    for target in (theirs / "target", place.root / "link", place.root / "link" / "target"):
        code, found = place.restore(target)
        assert (3, "refused") == (code, found["error"]["code"]), found
        assert str(target.parent) in found["error"]["message"]
    assert [] == list(theirs.iterdir())
    assert place.untouched()


@contextlib.contextmanager
def running(lines: list[str], name: str) -> Iterator[int]:
    """Run the printed lines as an account, in one shell; gives the process id of the mongod that they end with."""
    shell = subprocess.Popen(
        ["/bin/sh", "-c", "\n".join(lines)],
        user=name,
        group=pwd.getpwnam(name).pw_gid,
        extra_groups=[],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield shell.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(timeout=60)


def ask_as(name: str, uri: str, answer: Path) -> str:
    """Count the documents as an account, in a process of its own; returns the number, or the error."""
    child = os.fork()
    if child == 0:
        try:
            become(named(name))
            with MongoClient(uri, serverSelectionTimeoutMS=3000, directConnection=True) as client:
                answer.write_text(str(client.shop.c.count_documents({})))
        except Exception as error:  # noqa: BLE001 - what went wrong is what is asked for
            answer.write_text(str(error))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return answer.read_text()


def ports_of(group: int) -> list[str]:
    """Return the TCP sockets on which a process of a group listens, as the kernel lists them."""
    sockets = set()
    for path in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.getpgid(int(path.parts[2])) == group:
                sockets.add(os.readlink(path))
    tables = [*Path("/proc/net/tcp").read_text().splitlines()[1:], *Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    return [line for line in tables if f"socket:[{line.split()[9]}]" in sockets]


@pytest.mark.parametrize("long", [False, True])
def test_the_printed_commands_open_the_data_to_their_owner_alone(place: Place, long: bool) -> None:
    """Started as printed: the owner of the files connects as printed, another account does not, and no port is open."""
    target = place.root / ("long-" + "x" * 100 if long else "target")
    assert 0 == place.restore(target)[0]
    printed = private_mongod(str(target), str(find_mongod()))
    uri = printed["connect"][0].split()[1]
    answers = place.root / "answers"
    answers.mkdir()
    answers.chmod(0o777)
    with running(printed["start"], OWNER) as group:
        wait_until("the owner reads it", lambda: "100" == ask_as(OWNER, uri, answers / "owner"), 60)
        refused = ask_as("nobody", uri, answers / "nobody")
        assert "Permission denied" in refused
        assert [] == ports_of(group)
    path = Path(urllib.parse.unquote(uri.removeprefix("mongodb://")))
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)
    if long:
        shutil.rmtree(path.parent)


def test_a_directory_that_somebody_else_made_for_the_socket_is_not_used(place: Place) -> None:
    """Where the socket is below /tmp its name can be foreseen: nothing is started then."""
    target = place.root / ("long-" + "x" * 100)
    target.mkdir()
    give(target, OWNER)
    lines = private_mongod(str(target), str(find_mongod()))["start"]
    squatted = Path(lines[0].split()[4])
    assert Path("/tmp") == squatted.parent
    squatted.mkdir()
    give(squatted, "nobody")
    squatted.chmod(0o777)
    try:
        with running(lines, OWNER) as group:
            assert os.waitpid(group, 0)[1] != 0
        assert [] == list(squatted.iterdir())
        assert [] == list(target.iterdir())
    finally:
        squatted.rmdir()


@pytest.fixture
def production() -> Iterator[socket.socket]:
    """Give a server on loopback that is named in what is restored; whoever connects waits there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def called(listener: socket.socket, seconds: float) -> bool:
    """Whether somebody has connected, or does so soon."""
    return bool(select.select([listener], [], [], seconds)[0])


ROLES: dict[str, Callable[[Client, str], object]] = {
    "--shardsvr": lambda client, address: client.admin["system.version"].insert_one(
        {"_id": "shardIdentity", "shardName": "sh0", "clusterId": ObjectId(), "configsvrConnectionString": f"cfg/{address}"}
    ),
    "--configsvr": lambda client, address: client.config.shards.insert_one({"_id": "sh0", "host": f"sh0/{address}", "state": 1}),
}  # fmt: skip


@contextlib.contextmanager
def in_its_role(data: Path, where: Path, role: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a mongod as a member of a cluster, which is made the only member of a new set."""
    path = where / "role.sock"
    command = [
        str(find_mongod()),
        role,
        "--replSet",
        "again",
        "--dbpath",
        str(data),
        "--bind_ip",
        str(path),
        "--nounixsocket",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with MongoClient(f"mongodb://{urllib.parse.quote(str(path), safe='')}/", directConnection=True) as client:
            config = {"_id": "again", "configsvr": role == "--configsvr", "members": [{"_id": 0, "host": str(path)}]}
            with contextlib.suppress(PyMongoError):  # a shard that looks for its cluster does not answer
                client.admin.command("replSetInitiate", config)
                wait_until("it is the primary", lambda: client.admin.command("hello")["isWritablePrimary"], 60)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.release
@pytest.mark.parametrize("role", ROLES)
def test_a_restored_member_of_a_cluster_calls_nobody(place: Place, production: socket.socket, role: str) -> None:
    """It would look for the cluster that it came from, and a config server would move that cluster's chunks."""
    address = f"127.0.0.1:{production.getsockname()[1]}"
    as_stored = place.root / "as-stored"

    def alter(tree: Path, _foreign: Path) -> None:
        with started(tree / "data", place.root) as client:
            ROLES[role](client, address)
        shutil.copytree(tree / "data", as_stored)

    place.forge(alter)
    with started(as_stored, place.root) as client:
        client.drop_database("local")
    with in_its_role(as_stored, place.root, role):
        assert called(production, 60)  # so it would be
    production.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            production.accept()[0].close()
    target = place.root / "target"
    assert 0 == place.restore(target)[0]
    with in_its_role(target, place.root, role) as process:
        assert not called(production, 20)
        assert process.poll() is None


@pytest.mark.release
def test_a_new_set_asks_for_a_login_from_its_first_moment(place: Place) -> None:
    """By the steps of the page: an administrator is made on the socket, then the key switches authorization on."""
    target, key = place.root / "target", place.root / "mongod.key"
    assert 0 == place.restore(target)[0]
    printed = private_mongod(str(target), str(find_mongod()))
    with (
        running(printed["start"], OWNER),
        MongoClient(printed["connect"][0].split()[1], directConnection=True) as client,
    ):
        assert 0 == client.admin["system.users"].count_documents({})
        client.admin.command("createUser", "admin", pwd=PASSWORD, roles=["root"])
    key.write_text("c2VjcmV0" * 20)
    key.chmod(0o400)
    give(key, OWNER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = f"--replSet=fresh --keyFile={key} --bind_ip=localhost --port={port} --nounixsocket"
    with running([f"exec {find_mongod()} --dbpath={target} {options}"], OWNER):
        with MongoClient("127.0.0.1", port, directConnection=True) as stranger:
            for wanted in (
                {"replSetInitiate": {}},
                {"createUser": "mine", "pwd": "x", "roles": ["root"]},
                {"listDatabases": 1},
            ):
                with pytest.raises(OperationFailure, match=r"requires authentication|not authorized"):
                    stranger.admin.command(wanted)
        with MongoClient("127.0.0.1", port, directConnection=True, username="admin", password=PASSWORD) as admin:
            members = [{"_id": 0, "host": f"localhost:{port}"}]
            admin.admin.command("replSetInitiate", {"_id": "fresh", "members": members})
            wait_until("it is the primary", lambda: admin.admin.command("hello")["isWritablePrimary"], 60)
            assert 100 == admin.shop.c.count_documents({})
