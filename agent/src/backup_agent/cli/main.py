"""The command line. Its JSON and exit codes are the contract with the collection: docs/agent-cli.md."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import click

from backup_agent import API, TESTED_SERVER_MAJORS, __version__
from backup_agent.cli.check_config import check
from backup_agent.cli.text import as_text
from backup_agent.config import Config, load
from backup_agent.daemon import loop, requests
from backup_agent.daemon.status import collect
from backup_agent.errors import AgentError, Refused
from backup_agent.source.connections import SourceSet
from backup_agent.state.store import SCHEMA_VERSION, Store
from backup_agent.values import Json


class Context:
    """What the options before the command said."""

    def __init__(self, path: Path | None) -> None:
        """Nothing is read yet."""
        self.path = path

    @property
    def config(self) -> Config:
        """The configuration. Raises BadConfiguration."""
        if self.path is None:
            raise click.UsageError("expected --config FILE before the command; it names the job")
        return load(self.path)


def answer(as_json: bool, produce: Callable[[], tuple[Json, int]], text: Callable[[Json], str] = as_text) -> None:
    """Print what a command returns, or its error in the same envelope, and exit with its code; `text` makes it readable."""
    try:
        value, code = produce()
        value = {"ok": True, **value}
    except AgentError as error:
        value, code = {"ok": False, "error": error.as_json()}, error.exit_code
    except (OSError, sqlite3.Error) as error:  # the machine's: no room, no right, a broken disk
        found = AgentError(f"expected to read and write the job's files, found: {error}; see directory and its disk")
        value, code = {"ok": False, "error": found.as_json()}, found.exit_code
    if as_json:
        click.echo(json.dumps(value, default=str))
    elif value["ok"]:
        click.echo(text(value))
    else:
        click.echo(f"backup-agent: {value['error']['message']}", err=True)
    sys.exit(code)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
owner_option = click.option("--owner", required=True, help="Who asks; shown to everybody else.")
reason_option = click.option("--reason", default="by hand", show_default=True, help="Why.")
pass_context = click.pass_obj


@click.group()
@click.option("--config", "path", type=click.Path(path_type=Path), help="The job's configuration file.")
@click.pass_context
def main(context: click.Context, path: Path | None) -> None:
    """Keep a restorable, proven backup of one MongoDB replica set."""
    context.obj = Context(path)


@main.command()
@json_option
def version(as_json: bool) -> None:
    """Show the version, and what it was tested with."""
    found = {
        "version": __version__,
        "api": API,
        "state_schema": SCHEMA_VERSION,
        "tested_server_majors": list(TESTED_SERVER_MAJORS),
    }
    answer(as_json, lambda: (found, 0))


@main.command("check-config")
@json_option
@pass_context
def check_config(context: Context, as_json: bool) -> None:
    """Check the configuration file and everything it names."""

    def produce() -> tuple[Json, int]:
        config = context.config
        assert context.path is not None
        found = check(config, context.path)
        return found, 0 if all(check["ok"] for check in found["checks"]) else 1

    answer(as_json, produce)


@main.command()
@pass_context
def run(context: Context) -> None:
    """Run the daemon in the foreground until SIGTERM."""
    try:
        loop.run(context.config)
    except AgentError as error:
        click.echo(f"backup-agent: {error.message}", err=True)
        sys.exit(error.exit_code)


@main.command()
@json_option
@pass_context
def status(context: Context, as_json: bool) -> None:
    """Show state, lag, headroom, alerts and the last good snapshot."""

    def produce() -> tuple[Json, int]:
        config = context.config
        found = collect(config, Store(config.state_file))
        return found, requests.status_exit(found)

    answer(as_json, produce)


@main.command()
@json_option
@pass_context
def sources(context: Context, as_json: bool) -> None:
    """Show which secondary would be read from, and why not each other member."""

    def produce() -> tuple[Json, int]:
        found = SourceSet(context.config).topology().as_json()
        return found, 0 if found["chosen"] else Refused.exit_code

    answer(as_json, produce)


@main.group()
def schedule() -> None:
    """Pause and resume snapshots."""


@schedule.command()
@owner_option
@reason_option
@click.option(
    "--for-seconds", type=click.IntRange(1), default=24 * 3600, show_default=True, help="When the lease expires."
)
@json_option
@pass_context
def pause(context: Context, owner: str, reason: str, for_seconds: int, as_json: bool) -> None:
    """Add or renew one's own lease."""

    def produce() -> tuple[Json, int]:
        store = Store(context.config.state_file)
        return {"changed": store.add_lease(owner, reason, for_seconds), "leases": store.leases()}, 0

    answer(as_json, produce)


@schedule.command()
@owner_option
@json_option
@pass_context
def resume(context: Context, owner: str, as_json: bool) -> None:
    """Take one's own lease back."""

    def produce() -> tuple[Json, int]:
        store = Store(context.config.state_file)
        return {"changed": store.remove_lease(owner), "leases": store.leases()}, 0

    answer(as_json, produce)


@main.command()
@click.option("--owner", help="Who asks.")
@reason_option
@click.option(
    "--policy", type=click.Choice(["required", "older_than", "always"]), default="required", show_default=True
)
@click.option("--older-than-days", type=float, default=365.0, show_default=True)
@click.option("--dry-run", is_flag=True, help="Only check whether it is needed and would succeed.")
@click.option("--cancel", metavar="ID", help="Cancel this operation instead.")
@json_option
@pass_context
def resync(
    context: Context,
    owner: str | None,
    reason: str,
    policy: str,
    older_than_days: float,
    dry_run: bool,
    cancel: str | None,
    as_json: bool,
) -> None:
    """Read everything again from a secondary."""

    def produce() -> tuple[Json, int]:
        config = context.config
        store = Store(config.state_file)
        if cancel is not None:
            return {"changed": store.cancel_operation(cancel), "operation": store.operation(cancel)}, 0
        if owner is None:
            raise click.UsageError("expected --owner")
        needed = requests.resync_needed(store, policy, older_than_days)
        return requests.resync(config, store, requests.Asked(owner, reason), needed, dry_run), 0

    answer(as_json, produce)


@main.command()
@click.argument("identifier", required=False, metavar="[ID]")
@json_option
@pass_context
def operation(context: Context, identifier: str | None, as_json: bool) -> None:
    """Show an operation: the named one, the open one, or the newest."""

    def produce() -> tuple[Json, int]:
        store = Store(context.config.state_file)
        if identifier is not None:
            return {"operation": store.operation(identifier)}, 0
        return {"operation": store.open_operation() or store.newest_operation()}, 0

    answer(as_json, produce)


@main.command()
@json_option
@pass_context
def snapshots(context: Context, as_json: bool) -> None:
    """List the snapshots, newest first."""
    answer(as_json, lambda: ({"snapshots": Store(context.config.state_file).snapshots()}, 0))


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
@json_option
@pass_context
def snapshot(context: Context, name: str, state: str, prove: bool, owner: str, reason: str, as_json: bool) -> None:
    """Take, hold, release, prove or remove a snapshot."""

    def produce() -> tuple[Json, int]:
        config = context.config
        asked = requests.Asked(owner, reason)
        return requests.snapshot(config, Store(config.state_file), name, state, prove, asked), 0

    answer(as_json, produce)


@main.command()
@owner_option
@reason_option
@click.option("--level", type=click.Choice(["counts", "sample", "digest"]), default="digest", show_default=True)
@json_option
@pass_context
def validate(context: Context, owner: str, reason: str, level: str, as_json: bool) -> None:
    """Compare the backup with its source."""

    def produce() -> tuple[Json, int]:
        config = context.config
        asked = requests.Asked(owner, reason)
        return requests.queue(config, Store(config.state_file), "validation", asked, {"level": level}), 0

    answer(as_json, produce)
