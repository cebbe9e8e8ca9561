"""The commands around maintenance: begin and end it under a lease, and watch that it does not last too long."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from backup_agent import watch, watch_output
from backup_agent.cli import Context, answer, json_option, main, owner_option, pass_context
from backup_agent.config import Config
from backup_agent.errors import Refused
from backup_agent.maintenance import parse_latest
from backup_agent.status import daemon_alive
from backup_agent.store import Store

YEAR_SECONDS = 366 * 86400
STDOUT = 1

Json = dict[str, Any]


@main.group("maintenance")
def maintenance_group() -> None:
    """Say that the agent is away for maintenance, and until when."""


@maintenance_group.command()
@owner_option
@click.option("--reason", required=True, help="Why; shown to whoever finds the agent down.")
@click.option("--for-seconds", type=click.IntRange(1, YEAR_SECONDS), required=True, help="When the lease expires.")
@click.option("--latest-safe-restart", "latest", metavar="ISO", help="By when the agent has to run again.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, or why it is refused.")
@json_option
@pass_context
def begin(
    context: Context, owner: str, reason: str, for_seconds: int, latest: str | None, dry_run: bool, as_json: bool
) -> None:
    """Record one's own maintenance and pause snapshots meanwhile, or renew both."""

    def produce() -> tuple[Json, int]:
        config = context.config
        by = parse_latest(latest)
        if not config.state_file.exists():
            raise Refused(
                f"expected the state of job {config.job} in {config.state_file}, found none: its agent has never run; "
                "start it once, then begin maintenance"
            )
        with contextlib.closing(Store(config.state_file, reading=dry_run)) as store:
            do = store.plan_maintenance if dry_run else store.begin_maintenance
            return do(owner, reason, for_seconds, by, daemon_alive(config)), 0

    answer(as_json, produce)


@maintenance_group.command()
@owner_option
@json_option
@pass_context
def end(context: Context, owner: str, as_json: bool) -> None:
    """Take one's own record and lease back."""

    def produce() -> tuple[Json, int]:
        return _end(context.config, owner), 0

    answer(as_json, produce)


def _end(config: Config, owner: str) -> Json:
    if not config.state_file.exists():
        return {"changed": False, "maintenance": None, "leases": []}
    with contextlib.closing(Store(config.state_file)) as store:
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
    """Look whether each agent of this machine runs, or by when it has to again. Changes nothing."""

    def produce() -> tuple[Json, int]:
        paths = watch.files(directory)
        findings = watch.watch(paths, warn_before_minutes * 60)
        problems = _write_metrics(textfile, findings)
        least = watch.WARNING if problems else watch.OK
        level = max(watch.worst(findings), least, key=watch.LEVELS.index)
        value = {"level": level, "jobs": [found.as_json() for found in findings], "problems": problems}
        return value, int(level != watch.OK)

    answer(as_json, produce, lambda value: "\n".join(watch_output.lines(value, watch_output.is_journal(STDOUT))))


def _write_metrics(path: Path | None, findings: list[watch.Finding]) -> list[str]:
    """Write the metrics, if asked to; returns why that failed."""
    if path is None:
        return []
    try:
        watch_output.write(path, watch_output.metrics(findings))
    except OSError as error:
        return [f"--textfile: expected to write {path}, found: {error}; give its directory to this user"]
    return []
