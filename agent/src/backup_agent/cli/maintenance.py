"""The commands around maintenance: begin and end it under a lease, and watch that it does not last too long."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from backup_agent.cli import operators
from backup_agent.cli.main import Context, Found, answer, answers, json_option, main, owner_option
from backup_agent.errors import Refused
from backup_agent.state.maintenance import Begin, parse_latest
from backup_agent.state.store import Store, daemon_alive
from backup_agent.watch import look, output

YEAR_SECONDS = 366 * 86400
STDOUT = 1


@main.group("maintenance")
def maintenance_group() -> None:
    """Say that the agent is away for maintenance, and until when."""


@maintenance_group.command()
@owner_option
@click.option("--reason", required=True, help="Why; shown to people who find the agent down.")
@click.option("--for-seconds", type=click.IntRange(1, YEAR_SECONDS), required=True, help="When the lease expires.")
@click.option("--latest-safe-restart", "latest", metavar="ISO", help="By when the agent has to run again.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, or why it is refused.")
@answers
def begin(context: Context, owner: str, reason: str, for_seconds: int, latest: str | None, dry_run: bool) -> Found:
    """Record your own maintenance and pause snapshots meanwhile, or renew both."""
    operators.require_short(context.operator, for_seconds)
    config = context.config
    wish = Begin(owner, reason, for_seconds, parse_latest(latest), daemon_alive(config))
    if not config.state_file.exists():
        raise Refused(
            f"expected the state of job {config.job} in {config.state_file}, found none: its agent has never run; "
            "start it once, then begin maintenance"
        )
    with contextlib.closing(Store(config.state_file, reading=dry_run)) as store:
        return store.plan_maintenance(wish) if dry_run else store.begin_maintenance(wish)


@maintenance_group.command()
@owner_option
@answers
def end(context: Context, owner: str) -> Found:
    """Remove your own record and lease."""
    if not context.config.state_file.exists():
        return {"changed": False, "maintenance": None, "leases": []}
    with contextlib.closing(context.store) as store:
        changed = store.end_maintenance(owner)
        return {"changed": changed, "maintenance": store.maintenance(), "leases": store.leases()}


@main.command("watch")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("/etc/backup-agent"),
    show_default=True,
    help="Where the configurations of the jobs are (*.yml).",
)
@click.option(
    "--warn-before-minutes",
    type=click.FloatRange(0),
    default=30,
    show_default=True,
    help="Warn so long before the latest safe restart.",
)
@click.option("--textfile", type=click.Path(path_type=Path), help="Write metrics for Prometheus there.")
@json_option
def watch_command(directory: Path, warn_before_minutes: float, textfile: Path | None, as_json: bool) -> None:
    """Check whether each agent of this machine runs, or by when it has to run again. Changes nothing."""

    def produce() -> Found:
        paths = look.files(directory)
        findings = look.watch(paths, warn_before_minutes * 60)
        problems = _write_metrics(textfile, findings)
        least = look.WARNING if problems else look.OK
        level = max(look.worst(findings), least, key=look.LEVELS.index)
        return {"level": level, "jobs": findings, "problems": problems}, int(level != look.OK)

    answer(as_json, produce, lambda value: "\n".join(output.lines(value, output.is_journal(STDOUT))))


def _write_metrics(path: Path | None, findings: list[look.Finding]) -> list[str]:
    """Write the metrics, if asked to; returns why that failed."""
    if path is None:
        return []
    try:
        output.write(path, output.metrics(findings))
    except OSError as error:
        return [f"--textfile: expected to write {path}, found: {error}; give its directory to this user"]
    return []
