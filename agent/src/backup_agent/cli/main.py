"""The command line. Its JSON and exit codes are the contract with the collection: docs/agent-cli.md."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import click

from backup_agent import API, TESTED_SERVER_MAJORS, __version__
from backup_agent.cli.check_config import check, remove_snapshot
from backup_agent.cli.text import as_text
from backup_agent.config import Config, load
from backup_agent.daemon import loop
from backup_agent.daemon.status import collect
from backup_agent.errors import AgentDown, AgentError, NotFound, PreflightFailed, Refused
from backup_agent.source.connections import SourceSet
from backup_agent.state import maintenance
from backup_agent.state.store import SCHEMA_VERSION, Store, daemon_alive, other_operation
from backup_agent.sync import preflight
from backup_agent.times import age_seconds
from backup_agent.values import Json

VERDICT_EXIT = {"ok": 0, "warning": 0, "critical": 1, "unknown": 5}


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
        return found, status_exit(found)

    answer(as_json, produce)


def status_exit(status: Json) -> int:
    """Return the exit code of a status: 4 while the daemon is down, but 1 when maintenance leaves it no more time."""
    if status["agent"]["alive"]:
        return VERDICT_EXIT[status["verdict"]]
    return VERDICT_EXIT["critical"] if maintenance.is_late(status["maintenance"]) else AgentDown.exit_code


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


def needed(store: Store, policy: str, older_than_days: float) -> tuple[bool, str]:
    """Say whether a policy asks for a resync now, and why."""
    if policy == "always":
        return True, "the policy is always"
    causes = [a["cause"] for a in store.alerts() if a["kind"] in ("resync_required", "stopped")]
    if causes:
        return True, f"Resync Required: {', '.join(causes)}"
    if store.generation("current") is None:
        return True, "the job has no backup"
    if policy == "required":
        return False, "the backup is in sync"
    last = store.newest_operation("resync", "initial_sync", state="done")
    days = age_seconds(last["finished_at"]) / 86400 if last else None
    if days is None or days > older_than_days:
        return True, f"the last resync is {days:.1f} days old" if days is not None else "no resync is known"
    return False, f"the last resync is {days:.1f} days old, at most {older_than_days:g} are allowed"


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
        wanted, why = needed(store, policy, older_than_days)
        return start_resync(config, store, wanted, {"owner": owner, "reason": reason, "why": why, "dry_run": dry_run})

    answer(as_json, produce)


def start_resync(config: Config, store: Store, wanted: bool, request: Json) -> tuple[Json, int]:
    """Plan a resync, or queue it. An open operation of the same owner is attached to, whatever the policy says."""
    result: Json = {
        "changed": False,
        "needed": wanted,
        "why": request["why"],
        "attached": False,
        "operation": None,
        "plan": None,
    }
    open_operation = store.open_operation()
    mine = (
        open_operation is not None
        and open_operation["owner"] == request["owner"]
        and open_operation["kind"] == "resync"
    )
    if mine:
        return result | {"attached": True, "operation": open_operation, "why": "your operation is open"}, 0
    if not wanted:
        return result, 0
    require_daemon(config)
    if request["dry_run"]:
        return _dry_run(config, result, open_operation), 0
    operation, new = store.start_operation("resync", request["owner"], request["reason"])
    return result | {"changed": new, "attached": not new, "operation": operation}, 0


def _dry_run(config: Config, result: Json, open_operation: Json | None) -> Json:
    if open_operation is not None:
        raise other_operation(open_operation)
    plan = preflight.plan(config, SourceSet(config), config.directory, lambda: None)
    failed = [c for c in plan["checks"] if not c["ok"]]
    if failed:
        text = "; ".join(f"{c['name']}: {c['detail']}; {c['remedy']}" for c in failed)
        raise PreflightFailed(text, checks=failed, plan=plan)
    return result | {"changed": True, "plan": plan}


def require_daemon(config: Config) -> None:
    if not daemon_alive(config):
        raise AgentDown(
            f"expected the agent of job {config.job} to run, it does not; start its service, then try again"
        )


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
        store = Store(config.state_file)
        request = {"name": name, "owner": owner, "reason": reason, "prove": prove or state == "proven"}
        return snapshot_request(config, store, state, request), 0

    answer(as_json, produce)


def snapshot_request(config: Config, store: Store, state: str, request: Json) -> Json:
    """Do what can be done at once, queue the rest."""
    name = request["name"]
    found = store.snapshot(name)
    if state in ("held", "released", "absent"):
        return _change_snapshot(config, store, state, name, found)
    if found is not None and (state == "present" or found["proven_at"]):
        return {"changed": False, "snapshot": found, "operation": None}
    if found is not None and found["state"] != "good":
        raise Refused(f"snapshot {name} is {found['state']}: it was not what was stored; take another one")
    require_daemon(config)
    if found is None and store.leases():
        owners = ", ".join(f"{lease['owner']} ({lease['reason']})" for lease in store.leases())
        raise Refused(f"snapshots are paused by {owners}; wait, or let the owner resume them")
    kind = "snapshot" if found is None else "proof"
    operation, new = store.start_operation(
        kind, request["owner"], request["reason"], {"name": name, "prove": request["prove"]}
    )
    return {"changed": new, "snapshot": found, "operation": operation}


def _change_snapshot(config: Config, store: Store, state: str, name: str, found: Json | None) -> Json:
    if state == "absent":
        changed = found is not None and remove_snapshot(config, store, found)
        return {"changed": changed, "snapshot": None, "operation": None}
    if found is None:
        raise NotFound(f"expected the name of a snapshot, found {name!r}; `backup-agent snapshots` lists them")
    changed = found["held"] != (state == "held")
    store.update_snapshot(name, held=int(state == "held"))
    return {"changed": changed, "snapshot": store.snapshot(name), "operation": None}


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
        require_daemon(config)
        operation, new = Store(config.state_file).start_operation("validation", owner, reason, {"level": level})
        return {"changed": new, "attached": not new, "operation": operation}, 0

    answer(as_json, produce)
