"""Agents where there is neither systemd nor a package index."""

from __future__ import annotations

from lab.machines import agent, playbook, run, wait

CONTROL = ("/opt/backup-agent/venv/bin/supervisorctl", "-c", "/opt/backup-agent/supervisor/supervisord.conf")


def test_the_machine_is_what_it_is_taken_for() -> None:
    """There is no systemd, and no way to any index: everything that is installed came from the controller."""
    assert run("agent1", "cat", "/proc/1/comm").strip() != "systemd"
    assert run("agent1", "sh", "-c", "ip route | grep default", check=False) == ""


def test_supervisor_runs_agent_and_watch() -> None:
    """Both are programs of one supervisor, as the agent's user, and the job is in sync."""
    states = {line.split()[0]: line.split()[1] for line in run("agent1", *CONTROL, "status").splitlines()}

    assert states == {"orders": "RUNNING", "watch.of.agents": "RUNNING"}
    assert wait("orders", lambda status: status["verdict"] == "ok")["state"] == "tailing"
    assert run("agent1", "sh", "-c", "ps -C backup-agent,mongod -o user:20= | sort -u").split() == ["backup-agent"]


def test_supervisor_listens_on_its_socket_only() -> None:
    """No port is open on the machine but that of sshd."""
    lines = run("agent1", "ss", "--no-header", "--listening", "--tcp", "--numeric").splitlines()
    assert [line for line in lines if ":22 " not in line] == []


def test_maintenance_works_without_systemd() -> None:
    """Begin stops the program; end starts it and removes the record."""
    playbook("maintenance_begin", "-e", "maintenance_hosts=agent1 maintenance_minutes=5 maintenance_reason=disk")
    assert not agent("orders", "status")["agent"]["alive"]

    playbook("maintenance_end", "-e", "maintenance_hosts=agent1")

    status = agent("orders", "status")
    assert (status["state"], status["maintenance"]) == ("tailing", None)
