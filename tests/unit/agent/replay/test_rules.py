"""The table of oplog entries: complete, and nothing in it is silent."""

from __future__ import annotations

import pytest

from backup_agent.replay import catalogue, rules
from backup_agent.replay.rules import Action, rule


@pytest.mark.parametrize("name", rules.COMMANDS)
def test_every_command_has_a_reason(name: str) -> None:
    """Each rule says why, and what stops the job says what to do."""
    found = rule("c", name)
    assert found.why
    assert found.action is not Action.STOP or "resync" in found.why


@pytest.mark.parametrize("op", rules.OPERATIONS)
def test_every_operation_has_a_reason(op: str) -> None:
    """Each rule says why."""
    assert rule(op, None).why


def test_what_is_not_in_the_table_stops_the_job() -> None:
    """An unknown kind and an unknown command are never ignored."""
    assert Action.STOP is rule("c", "inventedTomorrow").action
    assert Action.STOP is rule("x", None).action
    assert Action.STOP is rule("c", None).action


def test_every_catalogue_command_has_a_handler() -> None:
    """The applier knows what to do for each command that the table lets through."""
    expected = {name for name, found in rules.COMMANDS.items() if found.action is Action.COMMAND}
    assert expected == set(catalogue.HANDLERS)
    assert all(callable(getattr(catalogue.Catalogue, method)) for method in catalogue.HANDLERS.values())
