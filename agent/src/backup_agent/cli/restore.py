"""The commands that work from a repository: ranges, restore, verify."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from bson.timestamp import Timestamp

from backup_agent.cli.account import ROOT, Account, become, is_root, named, of_repository
from backup_agent.cli.main import Context, Found, answers, main, owner_option, reason_option
from backup_agent.config import Repository, has_credentials
from backup_agent.daemon import requests
from backup_agent.errors import BadConfiguration, Refused
from backup_agent.repository.inventory import Inventory, inventory, restorable
from backup_agent.repository.restic import Restic, cache_of
from backup_agent.restore import place
from backup_agent.restore.plan import plan
from backup_agent.restore.restorer import Restorer, explain, restore
from backup_agent.restore.target import Target
from backup_agent.state.records import Params
from backup_agent.state.store import Store
from backup_agent.times import LAST_INCREMENT
from backup_agent.values import Json, printable

Options = Mapping[str, Any]
"""What was given on the command line."""

NO_CHANGE: Json = {"changed": False, "attached": False, "plan": None, "operation": None, "restore": None}

repository_option = click.option("--repository", help="The restic repository, where there is no configuration file.")
password_option = click.option("--password-file", type=click.Path(path_type=Path), help="The file with its password.")
job_option = click.option("--job", help="The job, where the repository holds several.")
agent_option = click.option("--agent", help="The agent, where several have stored backups of the job.")
restic_option = click.option("--restic", help="The restic to call, where there is no configuration file.")
as_option = click.option(
    "--as",
    "account",
    metavar="USER",
    envvar="BACKUP_AGENT_AS",
    help="The account that root works as, where there is no configuration file; default: the owner of the repository.",
)


def parse_at(text: str) -> Timestamp:
    """Read `SECONDS:INCREMENT`, or an ISO time with its zone, which stands for the whole of its second. Raises Refused."""
    if found := re.fullmatch(r"(\d+)[:,](\d+)", text):
        return _timestamp(text, int(found[1]), int(found[2]))
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Refused(
            f"expected an optime as SECONDS:INCREMENT or a time such as 2026-01-31T04:05:06Z, found {text!r}"
        ) from None
    if moment.tzinfo is None:
        raise Refused(f"expected a time with its zone, such as 2026-01-31T04:05:06Z, found {text!r}; add it")
    return _timestamp(text, int(moment.astimezone(UTC).timestamp()), LAST_INCREMENT)


def _timestamp(text: str, seconds: int, increment: int) -> Timestamp:
    if not (0 <= seconds < 2**32 and 0 <= increment < 2**32):
        raise Refused(f"expected a time since 1970 that a timestamp can hold, found {text!r}; correct it")
    return Timestamp(seconds, increment)


@dataclass(frozen=True)
class _Opened:
    """The repository to work from, the job, and the job's own state where there is one: it knows which snapshots are bad."""

    restic: Restic
    job: str | None
    agent: str | None = None
    state_file: Path | None = None

    def inventory(self, wanted: str | None = None) -> Inventory:
        """Return what can be restored. A bad snapshot is left out unless it is asked for by name."""
        if self.state_file is None or not self.state_file.exists():
            return inventory(self.restic, self.job, lambda: None, self.agent)  # it may take its time
        with contextlib.closing(Store(self.state_file)) as store:
            return restorable(self.restic, self.job, lambda: None, store, wanted, self.agent)


def _repository(context: Context, options: Options) -> Repository:
    """Return the repository that the options name, or that of the configuration. Raises BadConfiguration."""
    location, password = options["repository"], options["password_file"]
    if location is not None and has_credentials(location):
        raise BadConfiguration(
            "--repository: expected no password in it, since other users can read a command's arguments, found a URL with one; "
            "put it into RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, or use a configuration"
        )
    if location is not None and password is not None:
        return Repository(location=location, password_file=password, restic=options.get("restic") or "restic")
    if location is not None or password is not None or context.path is None:
        raise BadConfiguration(
            "expected --config before the command, or --repository together with --password-file; name the repository"
        )
    return context.parsed.repository


def _account(context: Context, options: Options) -> Account | None:
    """Return who root works as; None when this is not root. Raises BadConfiguration."""
    location, name = options["repository"], options["account"]
    if not is_root():
        if name is not None and named(name).uid != os.geteuid():
            raise BadConfiguration(
                f"expected root for --as {name}, found user {os.geteuid()}; leave it out, or be root"
            )
        return None
    if location is not None:
        return of_repository(location) if name is None else named(name)
    if name is not None:
        raise BadConfiguration(
            f"expected --as together with --repository, found --as {name} alone; the configuration says whose the job is"
        )
    if not context.parsed.directory.exists():
        raise BadConfiguration(
            f"expected the directory of the job, whose owner works for it, found no {context.parsed.directory}; "
            "use --repository, --password-file and --as instead of the configuration"
        )
    return context.account


@contextmanager
def _opened(context: Context, options: Options, target: Path | None = None) -> Iterator[_Opened]:
    """Give the repository to work from. Root prepares what it alone can, and is somebody else from then on."""
    repository, account, job = _repository(context, options), _account(context, options), options["job"]
    with contextlib.ExitStack() as stack:
        password: int | None = None
        if account is not None and account.uid != ROOT:
            if options["repository"] is not None:  # whoever wrote a configuration could name any file of root's in it
                password = _pass_on(repository.password_file, stack)
            if target is not None:
                place.hand_over(target, account.uid, account.gid, account.name)
            become(account)
        if options["repository"] is not None:
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="restic-cache-")))
            yield _Opened(Restic(repository, cache, password), job, options["agent"])
            return
        config = context.config
        own = config.state_file if job in (None, config.job) else None
        cache = stack.enter_context(cache_of(config.directory))
        yield _Opened(Restic(repository, cache, password), job or config.job, options["agent"], own)


def _pass_on(password_file: Path, stack: contextlib.ExitStack) -> int | None:
    """Keep a password that the account cannot read, in a file that has no name; None where it reads the file itself."""
    found = place.secret(password_file.absolute())
    if found is None:
        return None
    kept = os.memfd_create("password")
    stack.callback(os.close, kept)
    os.write(kept, found)
    return kept


@main.command()
@repository_option
@password_option
@job_option
@agent_option
@restic_option
@as_option
@answers
def ranges(context: Context, **options: Any) -> Found:
    """List what can be restored from the repository."""
    with _opened(context, options) as opened:
        found = opened.inventory()
    names = ("name", "generation", "optime", "created_at")
    snapshots = [{name: getattr(snapshot, name) for name in names} for snapshot in found.snapshots]
    return {"ranges": found.ranges(), "snapshots": snapshots}


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
@agent_option
@restic_option
@as_option
@answers
def restore_command(context: Context, **options: Any) -> Found:
    """Restore a snapshot or a point in time into an empty directory; without either, the newest optime there is."""
    at = parse_at(options["at"]) if options["at"] else None
    name, target = options["snapshot"], Target(Path(options["target"]).absolute())
    params = Params(target=str(target.path), snapshot=name, at=at)
    if options["submit"]:
        _refuse_elsewhere(options)
        requests.require_daemon(context.config)
        if (mine := requests.own_restore(context.config, options["owner"], params)) is not None:
            return {**NO_CHANGE, "attached": True, "operation": mine}
    made = target.path if not options["dry_run"] and not options["submit"] else None
    with _opened(context, options, made) as opened:
        restorer = Restorer(opened.restic, _mongod(context, options), target, _report, lambda: None)

        def look() -> Inventory:
            return opened.inventory(name)

        chosen = plan(look(), name, at)
        if (done := target.done(chosen.restore)) is not None:
            return {**NO_CHANGE, "restore": done}
        if not options["dry_run"] and not options["submit"]:
            done, changed = restore(restorer, look, name, at)
            return {**NO_CHANGE, "changed": changed, "restore": done}
        planned = explain(restorer, look, chosen)
    if options["dry_run"]:
        return {**NO_CHANGE, "changed": True, "plan": planned}
    if name is None and at is None:  # what was shown is restored, also by a step that is begun again
        params = replace(params, at=planned.until)
    operation, new = context.store.start_operation("restore", options["owner"], options["reason"], params)
    return {**NO_CHANGE, "changed": new, "attached": not new, "plan": planned, "operation": operation}


def _refuse_elsewhere(options: Options) -> None:
    given = [
        name
        for name in ("repository", "password_file", "job", "agent", "mongod", "restic", "account")
        if options[name] is not None
    ]
    if given:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise BadConfiguration(f"expected --submit with --config alone, found {words}; leave one of the two out")


def _mongod(context: Context, options: Options) -> Path:
    if options["mongod"] is not None:
        return Path(options["mongod"])
    return context.config.head.mongod if context.path is not None else Path("mongod")


_shown: dict[str, str] = {}


def _report(phase: str, done: float, total: float, unit: str, text: str | None = None) -> None:
    line = f"{phase}: {int(100 * done / total) if total else 100} % {text or unit}"
    if _shown.get(phase) != line:
        _shown[phase] = line
        click.echo(printable(line), err=True)


@main.command("verify")
@owner_option
@reason_option
@answers
def verify_command(context: Context, owner: str, reason: str) -> Found:
    """Read the slices and the next part of the repository again."""
    return requests.queue(context.config, context.store, "verification", requests.Asked(owner, reason))
