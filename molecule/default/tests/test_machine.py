"""What an operator would check by hand on a machine with agents."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from testinfra.host import Host

JOBS = ("orders", "invoices")
AGENT = "/opt/backup-agent/venv/bin/backup-agent"
MOST_EXPOSED = 1.1

Json = dict[str, Any]


def status(host: Host, job: str) -> Json:
    """Return what the agent says of itself."""
    found: Json = json.loads(host.run(f"{AGENT} --config /etc/backup-agent/{job}.yml status --json").stdout)
    return found


@pytest.mark.parametrize("job", JOBS)
def test_the_service_runs_as_the_agents_user(host: Host, job: str) -> None:
    """One unit a job is enabled and runs, as an account that nobody can log in with."""
    service = host.service(f"backup-agent@{job}")

    assert service.is_running
    assert service.is_enabled
    assert host.user("backup-agent").shell == "/usr/sbin/nologin"
    pid = host.run(f"systemctl show --property MainPID --value backup-agent@{job}").stdout.strip()
    assert host.process.get(pid=pid).user == "backup-agent"


@pytest.mark.parametrize("job", JOBS)
def test_the_job_is_in_sync(host: Host, job: str) -> None:
    """Each job follows its set, over TLS with its own kind of login, and has a snapshot that was proven."""
    found = status(host, job)

    assert (found["state"], found["verdict"], found["reasons"]) == ("tailing", "ok", [])
    assert found["last_proven_snapshot"]["proven_at"]


@pytest.mark.parametrize(
    ("path", "owner", "mode"),
    [
        ("/etc/backup-agent", "root", 0o750),
        ("/etc/backup-agent/orders.yml", "root", 0o640),
        ("/etc/backup-agent/source/orders", "root", 0o750),
        ("/etc/backup-agent/source/orders/password", "backup-agent", 0o600),
        ("/etc/backup-agent/source/invoices/agent.pem", "backup-agent", 0o600),
        ("/etc/backup-agent/repository/orders", "root", 0o750),
        ("/etc/backup-agent/repository/orders/password", "backup-agent", 0o600),
        ("/etc/backup-agent/repository/orders/environment.json", "backup-agent", 0o600),
        ("/var/lib/backup-agent", "root", 0o750),
        ("/var/lib/backup-agent/orders", "backup-agent", 0o700),
        ("/srv/backups/orders", "backup-agent", 0o700),
        ("/etc/sudoers.d/backup-operators", "root", 0o440),
    ],
)
def test_files_are_closed_to_others(host: Host, path: str, owner: str, mode: int) -> None:
    """Nobody but the agent's user reads secrets, state and snapshots."""
    found = host.file(path)

    assert (found.user, found.mode) == (owner, mode)


@pytest.mark.parametrize("directory", ["/var/lib/backup-agent", "/srv/backups"])
def test_nothing_below_belongs_to_root(host: Host, directory: str) -> None:
    """After root has used the commands, the agent can still write all its files."""
    assert host.run(f"find {directory} -mindepth 1 ! -user backup-agent").stdout == ""


def test_nothing_listens_on_the_network(host: Host) -> None:
    """The heads are reached by a socket that only the agent's user can open; no port is open but that of sshd."""
    assert host.run("ss --no-header --listening --tcp --udp --numeric | grep -v ':22 '").stdout == ""
    sockets = host.run("find /var/lib/backup-agent/orders/run -type s").stdout.split()
    assert [re.sub(r"\d+", "N", path) for path in sockets] == ["/var/lib/backup-agent/orders/run/gN.sock"]
    assert host.file("/var/lib/backup-agent/orders/run").mode == 0o700


def test_the_units_are_understood(host: Host) -> None:
    """systemd has nothing to say about any line of them, and watches every minute."""
    units = (
        "backup-agent@orders.service backup-agent@invoices.service backup-agent-watch.service backup-agent-watch.timer"
    )

    assert host.run(f"systemd-analyze verify {units} 2>&1 | grep backup-agent").stdout == ""
    assert host.service("backup-agent-watch.timer").is_running
    host.run_expect([0], "systemctl start backup-agent-watch.service")


@pytest.mark.parametrize("job", JOBS)
def test_the_sandbox_holds(host: Host, job: str) -> None:
    """systemd's own judgement is at most 1.1, and a process in the unit's place cannot write outside or look at others."""
    judged = host.run(f"systemd-analyze security --no-pager backup-agent@{job}").stdout.strip().splitlines()[-1]
    score = re.search(r"exposure level for .*: ([\d.]+)", judged)
    assert score
    assert float(score[1]) <= MOST_EXPOSED

    pid = host.run(f"systemctl show --property MainPID --value backup-agent@{job}").stdout.strip()
    inside = f"nsenter --target {pid} --mount"
    refused = host.run(f"{inside} touch /etc/written /usr/written /srv/backups/written").stderr
    assert refused.count("Read-only file system") == 3
    for own in (f"/srv/backups/{job}", f"/var/lib/backup-agent/{job}"):
        assert host.run(f"{inside} touch {own}/written && {inside} rm {own}/written").rc == 0
    assert host.run(f"{inside} stat --format %a /root").stdout.strip() == "0"
    host.run("test -e /dev/planted || mknod /dev/planted c 1 5")
    assert host.run("test -c /dev/planted").rc == 0
    assert host.run(f"{inside} test -c /dev/null").rc == 0
    assert host.run(f"{inside} test -e /dev/planted").rc == 1
    capabilities = re.search(r"CapEff:\s*(\w+)", host.file(f"/proc/{pid}/status").content_string)
    assert capabilities
    assert int(capabilities[1], 16) == 0
    assert "Seccomp:\t2" in host.file(f"/proc/{pid}/status").content_string


def test_an_operator_needs_no_root(host: Host) -> None:
    """A member of the operators' group asks an agent by sudo; anybody else, and any other command, is refused."""
    host.run("useradd --groups backup-operators olga; useradd ned")
    ask = "/opt/backup-agent/backup-job"

    assert json.loads(host.run(f"su olga -c '{ask} orders status --json'").stdout)["verdict"] == "ok"
    assert host.run(f"su ned -c '{ask} orders status'").rc != 0
    assert host.run(f"su olga -c '{ask} orders restore --target /tmp/x'").rc == 2
    assert host.run(f"su olga -c '{ask} ../orders status'").rc == 2
    assert (
        host.run(f"su olga -c '{ask} orders ranges --restic /tmp/x --repository /tmp --password-file /tmp/p'").rc == 2
    )
    for state in ("absent", "released"):
        assert host.run(f"su olga -c '{ask} orders snapshot --name x --state {state}'").rc == 2
    assert host.run(f"su olga -c '{ask} orders schedule pause --owner root'").rc == 2
    assert host.run(f"su olga -c '{ask} orders --operator root status'").rc == 2
    secret = "/etc/backup-agent/source/orders/password"
    assert host.run(f"runuser -u backup-agent -- cat {secret}").rc == 0
    assert host.run(f"su olga -c 'sudo -n -u backup-agent cat {secret}'").rc != 0


def test_the_log_is_in_the_journal(host: Host) -> None:
    """One line of JSON an event, found by the unit."""
    lines = host.run("journalctl --unit backup-agent@orders --output cat --no-pager").stdout.splitlines()

    assert "started" in {json.loads(line)["event"] for line in lines if line.startswith("{")}
