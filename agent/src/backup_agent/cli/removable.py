"""The command that says whether a repository may be deleted as a whole."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import click

from backup_agent.cli.main import Context, Found, answers, main
from backup_agent.config import Repository
from backup_agent.repository.holders import require_alone
from backup_agent.repository.restic import Restic
from backup_agent.state.records import Identity
from backup_agent.state.store import Store

path = click.Path(path_type=Path)


@main.command()
@click.option("--repository", required=True, type=path, help="The directory of the repository.")
@click.option("--password-file", required=True, type=path, help="The file with its password.")
@click.option("--job", required=True, help="The job that is removed.")
@click.option("--directory", required=True, type=path, help="The directory of its state, which says who its agent is.")
@click.option("--restic", default="restic", show_default=True, help="The restic to call.")
@answers
def removable(
    _context: Context, repository: Path, password_file: Path, job: str, directory: Path, restic: str
) -> Found:
    """Say whether a local repository holds nothing but the snapshots of one agent of a job. Changes nothing."""
    where = Repository(location=str(repository), password_file=password_file, restic=restic)
    with tempfile.TemporaryDirectory(prefix="restic-cache-") as cache:
        return {"snapshots": require_alone(Restic(where, Path(cache)), repository, job, _agent(directory))}


def _agent(directory: Path) -> str | None:
    """Return who the agent of a state is; None when there is no state, or when it has never stored anything under a name."""
    state = directory / "state.sqlite"
    if not state.exists():
        return None
    with contextlib.closing(Store(state, reading=True)) as store:
        found = store.observed("identity", Identity)
        return found.id if found else None
