"""The commands that work from a repository: ranges, restore, verify."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from bson.timestamp import Timestamp

from backup_agent.cli import (
    Context,
    answer,
    json_option,
    main,
    owner_option,
    pass_context,
    reason_option,
    require_daemon,
)
from backup_agent.config import Repository
from backup_agent.errors import BadConfiguration, Refused
from backup_agent.inventory import Inventory, inventory
from backup_agent.restic import Restic
from backup_agent.restore import Restorer, plan, restore, whole_second
from backup_agent.store import Store
from backup_agent.times import timestamp_json

Json = dict[str, Any]

repository_option = click.option("--repository", help="The restic repository, where there is no configuration file.")
password_option = click.option("--password-file", type=click.Path(path_type=Path), help="The file with its password.")
job_option = click.option("--job", help="The job, where the repository holds several.")


def parse_at(text: str) -> Timestamp:
    """Read `SECONDS:INCREMENT`, or an ISO time in UTC, which stands for the whole of its second. Raises Refused."""
    if found := re.fullmatch(r"(\d+)[:,](\d+)", text):
        return Timestamp(int(found[1]), int(found[2]))
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Refused(
            f"expected an optime as SECONDS:INCREMENT or a time such as 2026-01-31T04:05:06Z, found {text!r}"
        ) from None
    if moment.tzinfo is None:
        raise Refused(f"expected a time with its zone, such as 2026-01-31T04:05:06Z, found {text!r}; add it")
    return whole_second(int(moment.astimezone(UTC).timestamp()))


@contextmanager
def _opened(
    context: Context, location: str | None, password: Path | None, job: str | None
) -> Iterator[tuple[Restic, str | None]]:
    """Give the repository that the options name, or that of the configuration."""
    if location is not None and password is not None:
        with tempfile.TemporaryDirectory(prefix="restic-cache-") as cache:
            yield Restic(Repository(location=location, password_file=password), Path(cache)), job
        return
    if location is not None or password is not None or context.path is None:
        raise BadConfiguration(
            "expected --config before the command, or --repository together with --password-file; name the repository"
        )
    config = context.config
    yield Restic(config.repository, config.directory / "restic-cache"), job or config.job


def _nothing() -> None:
    """Restic may run as long as it takes."""


def _as_json(found: Inventory) -> Json:
    return {
        "ranges": [r.as_json() for r in found.ranges()],
        "snapshots": [
            {"name": s.name, "generation": s.generation, "optime": timestamp_json(s.optime), "created_at": s.created_at}
            for s in found.snapshots
        ],
    }


@main.command()
@repository_option
@password_option
@job_option
@json_option
@pass_context
def ranges(
    context: Context, repository: str | None, password_file: Path | None, job: str | None, as_json: bool
) -> None:
    """List what can be restored from the repository."""

    def produce() -> tuple[Json, int]:
        with _opened(context, repository, password_file, job) as (restic, name):
            return _as_json(inventory(restic, name, _nothing)), 0

    answer(as_json, produce)


@main.command("restore")
@click.option("--target", required=True, type=click.Path(path_type=Path), help="An empty directory, or a new one.")
@click.option("--snapshot", help="Restore this snapshot as it is.")
@click.option("--at", help="Restore this optime (SECONDS:INCREMENT) or time (2026-01-31T04:05:06Z).")
@click.option(
    "--mongod", type=click.Path(path_type=Path), help="The mongod that replays; default: the configuration's."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be restored.")
@click.option("--submit", is_flag=True, help="Let the agent do it, as an operation that can be followed.")
@click.option("--owner", default="restore", show_default=True, help="Who asks, with --submit.")
@reason_option
@repository_option
@password_option
@job_option
@json_option
@pass_context
def restore_command(context: Context, /, as_json: bool, **options: Any) -> None:
    """Restore a snapshot or a point in time into an empty directory; without either, the newest optime there is."""
    answer(as_json, lambda: (_restore(context, options), 0))


def _restore(context: Context, options: Json) -> Json:
    at = parse_at(options["at"]) if options["at"] else None
    target = Path(options["target"]).absolute()
    with _opened(context, options["repository"], options["password_file"], options["job"]) as (restic, job):
        mongod = options["mongod"] or (context.config.head.mongod if context.path is not None else Path("mongod"))
        restorer = Restorer(restic, Path(mongod), target, _report, _nothing)
        restorer.check()
        found = inventory(restic, job, _nothing)
        chosen = plan(found, options["snapshot"], at)
        if options["dry_run"]:
            return {"changed": True, "plan": {**chosen.as_json(), "target": str(target)}}
        if not options["submit"]:
            return {"changed": True, "restore": restore(restorer, found, options["snapshot"], at)}
    config = context.config
    require_daemon(config)
    params = {"target": str(target), "snapshot": options["snapshot"], "at": timestamp_json(at)}
    operation, new = Store(config.state_file).start_operation("restore", options["owner"], options["reason"], params)
    return {"changed": new, "attached": not new, "plan": chosen.as_json(), "operation": operation}


_shown: dict[str, str] = {}


def _report(phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
    line = f"{phase}: {int(100 * done / total) if total else 100} % {text or unit}"
    if _shown.get(phase) != line:
        _shown[phase] = line
        click.echo(line, err=True)


@main.command("verify")
@owner_option
@reason_option
@json_option
@pass_context
def verify_command(context: Context, owner: str, reason: str, as_json: bool) -> None:
    """Read the slices and the next part of the repository again."""

    def produce() -> tuple[Json, int]:
        config = context.config
        require_daemon(config)
        operation, new = Store(config.state_file).start_operation("verification", owner, reason)
        return {"changed": new, "attached": not new, "operation": operation}, 0

    answer(as_json, produce)
