"""The command line. Its JSON and exit codes are the contract with the collection: docs/agent-cli.md."""

from __future__ import annotations

import functools
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import structlog

from backup_agent import API, TESTED_SERVER_MAJORS, __version__
from backup_agent.cli import operators
from backup_agent.cli.account import Account, become, is_root, of_job
from backup_agent.cli.check_config import check
from backup_agent.cli.text import as_text
from backup_agent.config import Config, Written, fingerprint, parse, read
from backup_agent.daemon import loop, requests
from backup_agent.daemon.status import collect
from backup_agent.errors import AgentError, Refused
from backup_agent.machine import resources
from backup_agent.source.connections import SourceSet
from backup_agent.state.database import SCHEMA_VERSION
from backup_agent.state.records import Params
from backup_agent.state.store import Store
from backup_agent.values import Json, Record, printable, to_json


class Context:
    """What the options before the command said."""

    def __init__(self, path: Path | None, operator: str | None = None) -> None:
        """Nothing is read yet. `operator` asks, and may do less than who calls this without one."""
        self.path = path
        self.operator = operator

    @functools.cached_property
    def written(self) -> Written:
        """The configuration as it is written. Raises BadConfiguration."""
        return read(self._path)

    @functools.cached_property
    def parsed(self) -> Config:
        """The configuration, for what root has to do while it is root. Raises BadConfiguration."""
        return parse(self._path, self.written.text)

    @property
    def account(self) -> Account:
        """Who does the work of the job. Raises BadConfiguration."""
        return of_job(self._path, self.written, self.parsed.directory)

    @functools.cached_property
    def config(self) -> Config:
        """The configuration; from now on root is the account that the job belongs to. Raises BadConfiguration."""
        if is_root():
            become(self.account)
        return self.parsed

    @property
    def _path(self) -> Path:
        if self.path is None:
            raise click.UsageError("expected --config FILE before the command; it names the job")
        return self.path

    @property
    def store(self) -> Store:
        """The state of the job, which is made when it is not there. Raises BadConfiguration."""
        return Store(self.config.state_file)


Found = Json | Record | tuple[Json | Record, int]
"""What a command has found, and its exit code where that is not 0."""


def answer(as_json: bool, produce: Callable[[], Found], text: Callable[[Json], str] = as_text) -> None:
    """Print what a command returns, or its error in the same envelope, and exit with its code; `text` makes it readable."""
    try:
        found = produce()
        value, code = found if isinstance(found, tuple) else (found, 0)
        value = {"ok": True, **to_json(value)}
    except AgentError as error:
        value, code = {"ok": False, "error": to_json(error.to_json())}, error.exit_code
    except (OSError, sqlite3.Error) as error:  # the machine's: no room, no right, a broken disk
        failed = AgentError(f"expected to read and write the job's files, found: {error}; see directory and its disk")
        value, code = {"ok": False, "error": failed.to_json()}, failed.exit_code
    if as_json:
        click.echo(json.dumps(value, default=str))
    elif value["ok"]:
        click.echo(text(value))
    else:
        click.echo(f"backup-agent: {printable(value['error']['message'])}", err=True)
    sys.exit(code)


def answers(command: Callable[..., Found]) -> Callable[..., None]:
    """Give a command about a job `--json`, and print what it returns, see `answer`."""

    @json_option
    @click.pass_obj
    @functools.wraps(command)
    def run(context: Context, /, as_json: bool, **options: Any) -> None:
        answer(as_json, lambda: command(context, **options))

    return run


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _own_name(context: click.Context, parameter: click.Parameter, given: str | None) -> str:
    owner = operators.own_name(context.obj.operator, given)
    if owner is None:
        raise click.MissingParameter(ctx=context, param=parameter)
    return owner


owner_option = click.option(
    "--owner", callback=_own_name, help="Who asks; shown to everybody else. An operator need not say it."
)
reason_option = click.option("--reason", default="by hand", show_default=True, help="Why.")


@click.group()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The job's configuration file.")
@click.option("--operator", metavar="ACCOUNT", help="Do only what this operator may: nothing that deletes a backup.")
@click.pass_context
def main(context: click.Context, path: Path | None, operator: str | None) -> None:
    """Keep a restorable, proven backup of one MongoDB replica set."""
    structlog.configure(
        processors=[loop.shown, *structlog.get_config()["processors"]],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),  # standard output is for the answer
    )
    if operator is not None:
        operators.require_command(operator, context.invoked_subcommand)
    context.obj = Context(path, operator)


@main.command()
@answers
def version(_context: Context) -> Found:
    """Show the version, and what it was tested with."""
    return {
        "version": __version__,
        "api": API,
        "state_schema": SCHEMA_VERSION,
        "tested_server_majors": list(TESTED_SERVER_MAJORS),
    }


@main.command("check-config")
@answers
def check_config(context: Context) -> Found:
    """Check the configuration file and everything it names."""
    config = context.config
    checks = check(config)
    found = {"job": config.job, "config_sha256": fingerprint(context.written.text), "checks": checks}
    return found, 0 if all(check.ok for check in checks) else 1


@main.command()
@click.pass_obj
def run(context: Context) -> None:
    """Run the daemon in the foreground until SIGTERM."""
    try:
        loop.run(context.config)
    except AgentError as error:
        click.echo(f"backup-agent: {error.message}", err=True)
        sys.exit(error.exit_code)


@main.command()
@answers
def status(context: Context) -> Found:
    """Show state, lag, headroom, alerts and the last good snapshot."""
    found = collect(context.config, context.store)
    return found, found.exit_code


@main.command()
@answers
def sources(context: Context) -> Found:
    """Show which secondary would be read from, and why not each other member."""
    found = SourceSet(context.config).topology().to_json()
    return found, 0 if found["chosen"] else Refused.exit_code


@main.command("resources")
@answers
def resources_command(context: Context) -> Found:
    """Show what the job needs of this machine, what the machine has, and which members it reaches. Changes nothing."""
    found = resources.look(context.config)
    return found, 1 if found.missing else 0


@main.group()
def schedule() -> None:
    """Pause and resume snapshots."""


@schedule.command()
@owner_option
@reason_option
@click.option(
    "--for-seconds", type=click.IntRange(1), default=24 * 3600, show_default=True, help="When the lease expires."
)
@answers
def pause(context: Context, owner: str, reason: str, for_seconds: int) -> Found:
    """Add or renew your own lease."""
    operators.require_short(context.operator, for_seconds)
    store = context.store
    return {"changed": store.add_lease(owner, reason, for_seconds), "leases": store.leases()}


@schedule.command()
@owner_option
@answers
def resume(context: Context, owner: str) -> Found:
    """Remove your own lease."""
    store = context.store
    return {"changed": store.remove_lease(owner), "leases": store.leases()}


@main.command()
@click.option("--owner", help="Who asks. Not needed to cancel, nor by an operator.")
@reason_option
@click.option(
    "--policy", type=click.Choice(["required", "older_than", "always"]), default="required", show_default=True
)
@click.option("--older-than-days", type=float, default=365.0, show_default=True)
@click.option("--dry-run", is_flag=True, help="Only check whether a resync is needed and would succeed.")
@click.option("--cancel", metavar="ID", help="Cancel this operation instead.")
@answers
def resync(
    context: Context,
    owner: str | None,
    reason: str,
    policy: str,
    older_than_days: float,
    dry_run: bool,
    cancel: str | None,
) -> Found:
    """Copy everything again from a secondary."""
    store, owner = context.store, operators.own_name(context.operator, owner)
    if cancel is not None:
        operators.require_own(context.operator, store, cancel)
        return {"changed": store.cancel_operation(cancel), "operation": store.operation(cancel)}
    if owner is None:
        raise click.UsageError("expected --owner")
    operators.require_room(context.operator, store, context.config)  # it takes a snapshot at its end
    needed = requests.resync_needed(store, policy, older_than_days)
    return requests.resync(context.config, store, requests.Asked(owner, reason), needed, dry_run)


@main.command()
@click.argument("identifier", required=False, metavar="[ID]")
@answers
def operation(context: Context, identifier: str | None) -> Found:
    """Show an operation: the named one, the open one, or the newest."""
    store = context.store
    found = store.operation(identifier) if identifier else store.open_operation() or store.newest_operation()
    return {"operation": found}


@main.command()
@click.option(
    "--accept", is_flag=True, help="Take it as it is: it was replaced, or snapshots were removed, on purpose."
)
@answers
def repository(context: Context, accept: bool) -> Found:
    """Compare the repository with the list of snapshots."""
    return requests.repository(context.config, context.store, accept)


@main.command()
@answers
def snapshots(context: Context) -> Found:
    """List the snapshots, newest first."""
    return {"snapshots": context.store.snapshots()}


@main.command()
@click.option("--name", required=True, help="Its name; an existing one is no change.")
@click.option(
    "--state",
    type=click.Choice(["present", "held", "released", "proven", "absent"]),
    default="present",
    show_default=True,
)
@click.option("--prove", is_flag=True, help="Restore and compare it once it is taken.")
@owner_option
@reason_option
@answers
def snapshot(context: Context, name: str, state: str, prove: bool, owner: str, reason: str) -> Found:
    """Take, hold, release, prove or remove a snapshot."""
    asked, store = requests.Asked(owner, reason), context.store
    operators.require_harmless(context.operator, store, context.config, name, state)
    return requests.snapshot(context.config, store, name, state, prove, asked)


@main.command()
@owner_option
@reason_option
@click.option("--level", type=click.Choice(["counts", "sample", "digest"]), default="digest", show_default=True)
@answers
def validate(context: Context, owner: str, reason: str, level: str) -> Found:
    """Compare the backup with its source."""
    asked = requests.Asked(owner, reason)
    return requests.queue(context.config, context.store, "validation", asked, Params(level=level))
