"""Root becomes the account of the job, and stays it."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from backup_agent.cli import account
from backup_agent.config import read
from backup_agent.errors import BadConfiguration

if os.geteuid() != 0:
    pytest.skip("only root becomes somebody else", allow_module_level=True)

AGENT, OTHER = 61001, 61002
"""Two accounts that the machine does not know."""

BECOME = """
import json, os, sys
from backup_agent.cli import account
account.become(account.named(sys.argv[1]) if sys.argv[1] != "61001" else account.Account("61001", 61001, 61001, "/"))
refused = []
for what in (lambda: os.setuid(0), lambda: os.seteuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]),
             lambda: open("/etc/shadow"), lambda: os.chown("/etc/hostname", 0, 0), lambda: os.kill(1, 0)):
    try:
        what()
    except PermissionError:
        refused.append(True)
lines = open("/proc/thread-self/status").read().splitlines()
found = {line.split(":")[0]: line.split()[1:] for line in lines}
left = {name: found[name] for name in ("Uid", "Gid", "Groups", "CapPrm", "CapEff")}
print(json.dumps([len(refused), os.environ["HOME"], left]))
"""


def written(path: Path, uid: int = 0, mode: int = 0o640) -> Path:
    """Write a configuration that belongs to somebody."""
    path.write_text("job: orders\n")
    os.chown(path, uid, uid)
    path.chmod(mode)
    return path


def worker(path: Path, directory: Path) -> int:
    """Return who works for the job."""
    return account.of_job(path, read(path), directory).uid


@pytest.mark.parametrize("name", ["nobody", "61001"])
def test_roots_rights_do_not_come_back(name: str) -> None:
    """Neither users nor groups nor capabilities are left, and nothing of root's can be opened."""
    done = subprocess.run([sys.executable, "-c", BECOME, name], capture_output=True, text=True, check=True)
    refused, home, left = json.loads(done.stdout)
    wanted = pwd.getpwnam(name) if name == "nobody" else None
    uid, gid = (wanted.pw_uid, wanted.pw_gid) if wanted else (AGENT, AGENT)
    assert 7 == refused
    assert home == (wanted.pw_dir if wanted else "/")
    assert [str(uid)] * 4 == left["Uid"]
    assert [str(gid)] * 4 == left["Gid"]
    assert "0" not in left["Groups"]
    assert {"0" * 16} == {*left["CapPrm"], *left["CapEff"]}


def test_a_job_is_worked_for_by_the_owner_of_its_directory(tmp_path: Path) -> None:
    """As long as root has written what the job is."""
    directory, path = tmp_path / "job", written(tmp_path / "job.yml")
    directory.mkdir()
    assert 0 == worker(path, directory)
    os.chown(directory, AGENT, AGENT)
    assert AGENT == worker(path, directory)
    assert 0 == worker(path, tmp_path / "none")


def test_somebody_elses_configuration_makes_root_that_somebody(tmp_path: Path) -> None:
    """It could name any directory, and any program."""
    directory = tmp_path / "job"
    directory.mkdir()
    for owner in (0, AGENT):
        os.chown(directory, owner, owner)
        assert OTHER == worker(written(tmp_path / "job.yml", OTHER), directory)


def test_a_link_in_the_place_of_the_directory_leads_to_nobody_else(tmp_path: Path) -> None:
    """Who put it there works; root's own link is followed."""
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", OTHER, OTHER)
    (tmp_path / "link").symlink_to("theirs")
    path = written(tmp_path / "job.yml")
    assert OTHER == worker(path, tmp_path / "link")
    os.chown(tmp_path / "link", AGENT, AGENT, follow_symlinks=False)
    assert AGENT == worker(path, tmp_path / "link")


def test_a_link_that_leads_nowhere_belongs_to_who_put_it_there(tmp_path: Path) -> None:
    """The attack: the account puts a dangling link in the place of its directory, and root works for it as root."""
    path, link = written(tmp_path / "job.yml"), tmp_path / "link"
    link.symlink_to("/nowhere/at-all")
    assert 0 == worker(path, link)
    os.chown(link, AGENT, AGENT, follow_symlinks=False)
    assert AGENT == worker(path, link)
    assert AGENT == worker(path, link / "job")
    link.unlink()
    link.symlink_to("link")
    os.chown(link, AGENT, AGENT, follow_symlinks=False)
    assert AGENT == worker(path, link)


def test_below_a_directory_of_somebody_else_root_works_as_that_somebody(tmp_path: Path) -> None:
    """Who owns what is above could put anything there: nothing, a link, or a directory that was root's somewhere else."""
    path, theirs, roots = written(tmp_path / "job.yml"), tmp_path / "theirs", tmp_path / "roots"
    theirs.mkdir()
    (roots / "job").mkdir(parents=True)
    (theirs / "made").mkdir()
    (theirs / "link").symlink_to(roots)
    (tmp_path / "way").symlink_to(theirs / "made")
    os.chown(theirs, AGENT, AGENT)
    for directory in (
        theirs / "none",
        theirs / "none" / "job",
        theirs / "made",
        theirs / "link" / "job",
        tmp_path / "way",
    ):
        assert AGENT == worker(path, directory), directory
    assert 0 == worker(path, roots / "job")


@pytest.mark.parametrize("mode", [0o660, 0o646])
def test_a_configuration_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    """Nobody knows who has written it."""
    with pytest.raises(BadConfiguration, match=r"root alone can write, found .*job.yml"):
        worker(written(tmp_path / "job.yml", mode=mode), tmp_path)


def test_a_repository_on_a_disk_is_read_by_its_owner(tmp_path: Path) -> None:
    """One of root's, and one elsewhere, by whoever is named."""
    (tmp_path / "repo").mkdir()
    os.chown(tmp_path / "repo", AGENT, AGENT)
    assert [AGENT] * 2 == [account.of_repository(f"{kind}{tmp_path}/repo").uid for kind in ("", "local:")]
    for location in (str(tmp_path), str(tmp_path / "none"), "rest:https://backups.example.com/orders"):
        with pytest.raises(BadConfiguration, match="found root; name one with --as"):
            account.of_repository(location)


def test_an_account_that_is_not_there_is_named() -> None:
    """Before anything is done."""
    with pytest.raises(BadConfiguration, match="expected the name of an account, found 'no-such-account'"):
        account.named("no-such-account")
