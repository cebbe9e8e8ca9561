"""What sudo's name of an operator lets one do, by the command line: nothing that deletes a backup, also not by a detour."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backup_agent.__main__ import main
from backup_agent.cli import operators
from backup_agent.config import Config, Snapshots
from backup_agent.daemon.loop import hold_lock
from backup_agent.state.store import Store
from tests.unit.agent.jobs import add_snapshot

DAY = 86400


@pytest.fixture
def configuration(config: Config, tmp_path: Path) -> Iterator[str]:
    """Give the configuration of a job whose daemon seems to run."""
    path = tmp_path / "orders.yml"
    path.write_text(config.model_dump_json(exclude_defaults=True))
    lock = hold_lock(config)
    yield str(path)
    os.close(lock)


def ask(configuration: str, *words: str, operator: str = "olga") -> Result:
    """Call the agent as `backup-job` does."""
    return CliRunner().invoke(main, ["--config", configuration, "--operator", operator, *words])


@pytest.mark.parametrize(
    "words",
    [
        ("restore", "--target", "/tmp/x"),
        ("ranges", "--restic", "/tmp/x"),
        ("run",),
        ("check-config",),
        ("repository", "--accept"),
        ("watch", "--textfile", "/tmp/x"),
    ],
)
def test_commands_that_write_or_run_what_they_are_told_to_stay_with_root(
    configuration: str, words: tuple[str, ...]
) -> None:
    """They would run as the account of the agent."""
    asked = ask(configuration, *words)
    assert 2 == asked.exit_code
    assert f"expected a command for operators, found {words[0]}" in asked.output


def test_every_command_for_operators_exists() -> None:
    """A name that no command has would hide one that was renamed."""
    assert set() == operators.COMMANDS - set(main.commands)


@pytest.mark.parametrize("state", ["absent", "released"])
def test_no_snapshot_is_let_go(configuration: str, store: Store, state: str) -> None:
    """What is released can be removed by retention a moment later."""
    add_snapshot(store, "kept", held=True)
    asked = ask(configuration, "snapshot", "--name", "kept", "--state", state)
    assert 2 == asked.exit_code
    assert f"found {state}" in asked.output
    assert store.snapshots()[0].held


def test_who_asks_is_who_sudo_says(configuration: str, store: Store) -> None:
    """What is one's own could not be told otherwise."""
    assert 0 == ask(configuration, "schedule", "pause").exit_code
    assert ["olga"] == [lease.owner for lease in store.leases()]
    asked = ask(configuration, "schedule", "resume", "--owner", "awx")
    assert 2 == asked.exit_code
    assert "expected olga, who asks, found awx" in asked.output
    assert 0 == ask(configuration, "schedule", "resume", "--owner", "olga").exit_code
    assert [] == store.leases()


@pytest.mark.parametrize("operator", ["", "a b", "-x", "a\x1b[2J", "olga\n"])
def test_an_operator_is_an_account(configuration: str, operator: str) -> None:
    """Its name is shown to everybody else."""
    assert 2 == ask(configuration, "status", operator=operator).exit_code


def test_the_operation_of_somebody_else_is_not_canceled(configuration: str, store: Store) -> None:
    """Root's restore would end for an operator's word."""
    theirs, _ = store.start_operation("resync", "root", "by hand")
    asked = ask(configuration, "resync", "--cancel", theirs.id)
    assert 0 != asked.exit_code
    assert "expected an operation of olga, found that of root" in asked.output
    assert not store.operation(theirs.id).cancel_requested
    store.update_operation(theirs.id, state="done", finished_at="2026-01-01T00:00:00Z")
    mine, _ = store.start_operation("resync", "olga", "by hand")
    assert 0 == ask(configuration, "resync", "--cancel", mine.id).exit_code
    assert store.operation(mine.id).cancel_requested


@pytest.mark.parametrize("words", [("schedule", "pause"), ("maintenance", "begin", "--reason", "x")])
def test_nobody_is_away_without_limit(configuration: str, store: Store, words: tuple[str, ...]) -> None:
    """A week at once; root may do more."""
    too_long = ("--for-seconds", str(8 * DAY))
    asked = ask(configuration, *words, *too_long)
    assert 2 == asked.exit_code
    assert "expected at most 604800" in asked.output
    assert [] == store.leases()
    root = CliRunner().invoke(main, ["--config", configuration, *words, "--owner", "root", *too_long])
    assert 0 == root.exit_code


def test_the_list_cannot_be_filled(configuration: str, store: Store) -> None:
    """Scheduled ones do not count, and what is there can be asked for again."""
    for number in range(operators.MOST_BY_HAND):
        add_snapshot(store, f"junk{number}")
        add_snapshot(store, f"scheduled-{number}")
    asked = ask(configuration, "snapshot", "--name", "one-more")
    assert "expected at most 8 snapshots that were taken by hand, found 8" in asked.output
    assert store.open_operation() is None
    assert 0 == ask(configuration, "snapshot", "--name", "junk1").exit_code


@pytest.mark.parametrize("words", [("snapshot", "--name", "mine"), ("resync", "--policy", "always")])
def test_without_a_schedule_nothing_is_pushed_out(
    config: Config, store: Store, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Every snapshot counts then, and what an operator takes would have retention remove root's."""
    path = tmp_path / "orders.yml"
    path.write_text(config.model_copy(update={"snapshots": Snapshots(interval_hours=0, keep_last=2)}).model_dump_json())
    lock = hold_lock(config)
    add_snapshot(store, "root-1")
    assert "expected fewer" not in ask(str(path), *words).output
    add_snapshot(store, "root-2")
    asked = ask(str(path), *words)
    assert "expected fewer than 2 snapshots (snapshots.keep_last)" in asked.output
    store.raise_alert("resync_required", "corruption", {})
    assert "expected fewer" not in ask(str(path), *words).output
    os.close(lock)


def test_holds_have_an_end(configuration: str, store: Store) -> None:
    """Held ones are never removed: they could fill the repository."""
    for number in range(operators.MOST_HELD + 1):
        add_snapshot(store, f"scheduled-{number}")
    held = [ask(configuration, "snapshot", "--name", f"scheduled-{n}", "--state", "held").exit_code for n in range(8)]
    assert [0] * 8 == held
    asked = ask(configuration, "snapshot", "--name", "scheduled-8", "--state", "held")
    assert "expected at most 8 held snapshots, found 8" in asked.output
    assert 0 == ask(configuration, "snapshot", "--name", "scheduled-0", "--state", "held").exit_code


def test_without_an_operator_an_owner_is_needed(configuration: str) -> None:
    """Somebody must be named."""
    asked = CliRunner().invoke(main, ["--config", configuration, "schedule", "pause"])
    assert 2 == asked.exit_code
    assert "--owner" in asked.output
