"""The machines of a Molecule scenario, seen from the controller: commands on them, their databases, and cuts in their network.

`bin/molecule` exports what podman needs; Molecule's own variables say where the inventory and the secrets of the scenario are.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bson.binary import Binary
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from lab.errors import LabError
from lab.oplog_edge import edge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.mongod import Client

AGENT = "/opt/backup-agent/venv/bin/backup-agent"
ADDRESSES = {"db1": "10.209.77.11", "db2": "10.209.77.12", "db3": "10.209.77.13", "agent1": "10.209.77.21"}
PORTS = {"orders": 27017, "invoices": 27018}
DATABASES = ("db1", "db2", "db3")

_CUT = """
table inet cut {
  chain in { type filter hook input priority -10; policy drop; iif lo accept; }
  chain out { type filter hook output priority -10; policy drop; oif lo accept; }
}
"""
Json = dict[str, Any]


def scenario_directory() -> Path:
    """Return where Molecule keeps the inventory, and we the secrets, of the scenario."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


def secrets() -> dict[str, str]:
    """Return the secrets that were planted, by name."""
    return {path.stem: path.read_text() for path in (scenario_directory() / "secrets").glob("*.password")}


def run(machine: str, *command: str, check: bool = True) -> str:
    """Run a command on a machine, as root, and return its output."""
    done = subprocess.run(["podman", "exec", machine, *command], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise LabError(f"{machine}: {' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def agent(job: str, *arguments: str) -> Json:
    """Ask the agent of a job."""
    found: Json = json.loads(
        run("agent1", AGENT, "--config", f"/etc/backup-agent/{job}.yml", *arguments, "--json", check=False)
    )
    return found


def wait(job: str, condition: Callable[[Json], bool], seconds: float = 120) -> Json:
    """Wait until a job's status fulfils a condition."""
    deadline = time.monotonic() + seconds
    while True:
        status = agent(job, "status")
        if condition(status):
            return status
        if time.monotonic() > deadline:
            raise LabError(f"not within {seconds} s: {status}")
        time.sleep(0.5)


def playbook_command(name: str, *arguments: str) -> list[str]:
    """Return the command line of one of the collection's playbooks, on the inventory of the scenario."""
    return [
        "ansible-playbook",
        "-i",
        str(scenario_directory() / "inventory"),
        f"mongodb_ops.backup.{name}",
        *arguments,
    ]


def playbook(name: str, *arguments: str, rc: int = 0) -> str:
    """Run a playbook, require its return code and return what it printed."""
    done = subprocess.run(
        playbook_command(name, *arguments),
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode != rc:
        raise LabError(f"{name}: expected return code {rc}, found {done.returncode}: {done.stdout[-6000:]}")
    return done.stdout


@contextmanager
def client(job: str, machine: str | None = None, **options: Any) -> Iterator[Client]:
    """Give a connection of the administrator to one member: of a machine, or the primary."""
    directory = scenario_directory() / "secrets"
    chosen: Json = {"username": "admin", "password": secrets()["admin"], "serverSelectionTimeoutMS": 10_000} | options
    with MongoClient[Json](
        ADDRESSES[machine or primary(job)],
        PORTS[job],
        directConnection=True,
        tls=True,
        tlsCAFile=str(directory / "ca.pem"),
        tlsCertificateKeyFile=str(directory / "admin.pem"),
        **chosen,
    ) as found:
        yield found


def primary(job: str, seconds: float = 60) -> str:
    """Return the machine whose member stays the primary; waits until it is.

    `molecule/shared/initiate.py` gives the first member the highest priority. Another one that is primary, because the first was
    restarted, is relieved about 10 s after the first has caught up (`electionTimeoutMillis`), and its clients lose their writes.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _is_primary(job, DATABASES[0]):
            return DATABASES[0]
        time.sleep(0.5)
    found = next((machine for machine in DATABASES if _is_primary(job, machine)), "none")
    raise LabError(
        f"{job}: expected the primary on {DATABASES[0]} within {seconds} s, found {found}; see the log of its mongod"
    )


def _is_primary(job: str, machine: str) -> bool:
    try:
        with client(job, machine, serverSelectionTimeoutMS=1000) as found:
            return bool(found.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:  # whatever it is, this one is not the primary at this moment
        return False


def roll_over(job: str, past_seconds: int, seconds: float = 180) -> None:
    """Write until no member has an entry of that second or an earlier one any more."""
    deadline = time.monotonic() + seconds
    pieces = [{"n": number, "filler": Binary(os.urandom(200_000))} for number in range(20)]
    with client(job, w=3) as found:
        while time.monotonic() < deadline:
            for piece in pieces:
                found.lab.filler.replace_one({"n": piece["n"]}, {**piece, "at": time.time()}, upsert=True)
            found.admin.command("appendOplogNote", 1, data={"lab": "roll over"})
            if all(_oldest_seconds(job, machine) > past_seconds for machine in DATABASES):
                found.lab.drop_collection("filler")
                return
    raise LabError(f"{job}: expected the oplogs to roll over past {past_seconds} within {seconds} s")


def _oldest_seconds(job: str, machine: str) -> int:
    with client(job, machine) as found:
        return int(edge(found, 1).time)


@contextmanager
def cut_off(machine: str) -> Iterator[None]:
    """Drop every packet to and from a machine, as by a broken switch; commands on it go on working."""
    pid = subprocess.run(
        ["podman", "inspect", "--format", "{{.State.Pid}}", machine], capture_output=True, text=True, check=True
    ).stdout.strip()
    nft = ["nsenter", "--net", "--target", pid, "nft"]
    subprocess.run([*nft, "-f", "-"], input=_CUT, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*nft, "delete", "table", "inet", "cut"], check=True)
