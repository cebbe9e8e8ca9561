"""Somebody has taken over the agent of one job. What does it reach of another job of its machine?"""

from __future__ import annotations

import json

import pytest

from lab.machines import agent, playbook, run, secrets, wait

CONFIG, STATE = "/etc/backup-agent", "/var/lib/backup-agent"
THEIRS = (
    f"{CONFIG}/invoices.yml",
    f"{CONFIG}/source/invoices/agent.pem",
    f"{CONFIG}/repository/invoices/password",
    f"{STATE}/invoices/state.sqlite",
    "/srv/backups/invoices/config",
)
DROPIN = "/etc/systemd/system/backup-agent@orders.service.d/job.conf"


def main_process(job: str) -> str:
    """Return the process of a job's agent."""
    return run("agent1", "systemctl", "show", "--property=MainPID", "--value", f"backup-agent@{job}").strip()


def inside(job: str, script: str) -> str:
    """Run a script as the agent's account in all that its unit is shut in; return what it says."""
    own = ("--setuid", run("agent1", "id", "-u", "backup-agent").strip())
    group = ("--setgid", run("agent1", "id", "-g", "backup-agent").strip())
    enter = ("nsenter", "--target", main_process(job), "--mount", "--user", "--ipc", *own, *group)
    return run("agent1", *enter, "sh", "-c", script, check=False)


def outside(script: str) -> str:
    """Run it as the same account in no unit."""
    return run("agent1", "runuser", "-u", "backup-agent", "--", "sh", "-c", script, check=False)


def write(path: str, *lines: str) -> None:
    """Write a file on the machine, as root."""
    run("agent1", "sh", "-c", f"printf '%s\\n' \"$@\" > {path}", "sh", *lines)


def reading(path: str) -> str:
    """Return a script that says how many bytes of a file it can read."""
    return f"head -c 64 {path} 2>/dev/null | wc -c"


@pytest.mark.parametrize("path", THEIRS)
def test_an_agent_reads_nothing_of_another_job(path: str) -> None:
    """The account alone could read all of it; its unit cannot, and it can read what is the same of its own job."""
    assert outside(reading(path)).strip() != "0"

    assert inside("orders", reading(path)).strip() == "0"
    own = path.replace("invoices", "orders")
    assert inside("orders", reading(own)).strip() != "0"


@pytest.mark.parametrize(
    "way", ["environ", f"root{CONFIG}/repository/invoices/password", "cwd/etc/passwd", "maps", "cmdline"]
)
def test_an_agent_reaches_no_process_of_another_job(way: str) -> None:
    """Not through /proc either, which would lead into the other unit's own view of the machine."""
    theirs, own = (f"/proc/{main_process(job)}/{way}" for job in ("invoices", "orders"))
    own = own.replace("invoices", "orders")
    assert inside("orders", reading(own)).strip() != "0"

    assert inside("orders", reading(theirs)).strip() == "0"
    assert inside("orders", f"ls -d /proc/{main_process('invoices')} 2>/dev/null") == ""


def test_the_memory_of_another_job_cannot_be_opened() -> None:
    """Its own can."""
    script = "exec 3< /proc/{pid}/mem && echo opened"

    assert inside("orders", script.format(pid=main_process("orders"))) == "opened\n"
    assert inside("orders", script.format(pid=main_process("invoices"))) == ""


def test_an_agent_changes_nothing_but_what_is_its_own() -> None:
    """Neither its configuration, nor secrets, nor the directory of all states; and what it writes it cannot run."""
    for place in (
        f"{CONFIG}/orders.yml",
        f"{CONFIG}/source/orders/password",
        f"{STATE}/new",
        "/srv/backups/invoices/new",
    ):
        assert inside("orders", f"echo x 2>/dev/null >> {place} && echo written") == "", place
    for place in (f"{STATE}/orders", "/srv/backups/orders", "/tmp", "/dev/shm"):
        script = f"cp /bin/true {place}/planted && echo written; {place}/planted && echo run; rm {place}/planted"
        assert inside("orders", script) == "written\n", place


def test_the_watch_reads_states_and_no_password_of_a_repository() -> None:
    """What its unit hides is hidden: a command in its place says what it finds."""
    look = f"ls {CONFIG}/source/orders {STATE}/orders/state.sqlite; ls {CONFIG}/repository/orders || echo hidden"
    directory = "/run/systemd/system/backup-agent-watch.service.d"
    run("agent1", "mkdir", directory)
    try:
        write(f"{directory}/look.conf", "[Service]", "ExecStart=", f"ExecStart=/bin/sh -c '{look}'")
        run("agent1", "systemctl", "daemon-reload")
        run("agent1", "systemctl", "start", "backup-agent-watch.service")
        said = run("agent1", "journalctl", "-u", "backup-agent-watch", "-o", "cat", "-n", "20")
    finally:
        run("agent1", "rm", "-r", directory)
        run("agent1", "systemctl", "daemon-reload")

    assert "password" in said
    assert "hidden" in said


def test_a_secret_that_is_replaced_is_seen_by_the_agent_that_runs() -> None:
    """Whoever renews a file puts another one in its place, and restarts nothing."""
    pid, secret = main_process("orders"), f"{CONFIG}/source/orders/password"
    run("agent1", "sh", "-c", f"cp -p {secret} {secret}.old && cp -p {secret} {secret}.new && echo >> {secret}.new")
    run("agent1", "mv", f"{secret}.new", secret)
    try:
        assert inside("orders", f"wc -l < {secret}").strip() == "2"
    finally:
        run("agent1", "mv", f"{secret}.old", secret)
    assert main_process("orders") == pid


def test_a_shared_repository_is_not_deleted() -> None:
    """Another job has a snapshot in it: nothing is stopped, and nothing removed."""
    secret = f"{CONFIG}/repository/invoices/password"
    restic = f"restic --no-cache --repo /srv/backups/invoices --password-file {secret}"
    stored = outside(f"{restic} backup --json --tag job=payments /etc/hostname").splitlines()[-1]
    pid = main_process("invoices")
    arguments = ("--limit", "invoices", "-e", "backup_agent_state=absent backup_agent_delete_backups=invoices")
    try:
        printed = playbook("provision", *arguments, rc=2)
    finally:
        outside(f"{restic} forget {json.loads(stored)['snapshot_id']}")

    assert "1 of the job payments" in " ".join(printed.split())
    assert "nothing was stopped or removed" in " ".join(printed.split())
    assert main_process("invoices") == pid
    assert agent("invoices", "snapshots")["snapshots"]


def test_an_agent_of_the_version_before_gets_a_world_of_its_own() -> None:
    """Its secrets lie where every job could read them. It runs on when the machine is set up, and they go with its own turn."""
    words = secrets()
    for kind, old in (("source", "password"), ("repository", "restic")):
        run("agent1", "mv", f"{CONFIG}/{kind}/orders/password", f"{CONFIG}/orders.{old}")
    moves = (
        f"s,{CONFIG}/source/orders/password,{CONFIG}/orders.password,",
        f"s,{CONFIG}/repository/orders/password,{CONFIG}/orders.restic,",
        "/environment_file/d",
    )
    run("agent1", "sed", "-i", "; ".join(moves), f"{CONFIG}/orders.yml")
    run("agent1", "rm", "-r", f"{CONFIG}/repository/orders")
    write(DROPIN, "[Service]", f"ReadWritePaths={STATE}/orders /srv/backups/orders")
    run("agent1", "systemctl", "daemon-reload")
    run("agent1", "systemctl", "restart", "backup-agent@orders")
    wait("orders", lambda status: status["verdict"] == "ok")
    assert outside(f"cat {CONFIG}/orders.restic").strip() == words["orders-restic"]

    playbook("provision", "--limit", "agent1")
    assert wait("orders", lambda status: status["verdict"] == "ok")["agent"]["alive"]
    playbook("provision", "--limit", "orders")

    wait("orders", lambda status: status["verdict"] == "ok")
    assert run("agent1", "sh", "-c", f"cd {CONFIG} && ls *.restic *.password 2>/dev/null", check=False) == ""
    assert inside("orders", reading(THEIRS[2])).strip() == "0"
