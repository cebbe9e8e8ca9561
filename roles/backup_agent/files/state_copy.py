# Copies the state of jobs before an upgrade, and puts it back: state_copy.py save|restore|restore-form LABEL CONFIG...
#
# Runs as the user of the agent, with the agents stopped, by the Python of the version that is installed. `restore` takes back
# whatever a version that did not work has written, such as an alert that it raised by mistake. `restore-form` is for a copy that
# may be old: it is put back only where the newer version has changed the schema; otherwise the older one reads what the newer
# one wrote.
import contextlib
import os
import pathlib
import sqlite3
import sys

import yaml


def schema_of(path: pathlib.Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def save(state: pathlib.Path, copy: pathlib.Path) -> None:
    unfinished = copy.with_name(copy.name + ".part")
    unfinished.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(state)) as source,
        contextlib.closing(sqlite3.connect(unfinished)) as target,
    ):
        source.backup(target)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.chmod(0o600)
    unfinished.replace(copy)
    print("saved", copy)


def restore_form(state: pathlib.Path, copy: pathlib.Path) -> None:
    if copy.exists() and schema_of(copy) != schema_of(state):
        restore(state, copy)


def restore(state: pathlib.Path, copy: pathlib.Path) -> None:
    if not copy.exists():
        return
    for ending in ("-wal", "-shm"):
        state.with_name(state.name + ending).unlink(missing_ok=True)
    copy.replace(state)
    print("restored", state)


def main(action: str, label: str, *configurations: str) -> None:
    os.umask(0o077)
    for configuration in configurations:
        directory = yaml.safe_load(pathlib.Path(configuration).read_text())["directory"]
        state = pathlib.Path(directory) / "state.sqlite"
        if state.exists():
            {"save": save, "restore": restore, "restore-form": restore_form}[action](
                state, state.with_name(f"state.before-{label}.sqlite")
            )


main(*sys.argv[1:])
