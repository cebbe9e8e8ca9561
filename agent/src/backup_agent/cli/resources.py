"""The command `resources`: what the job needs of its machine, and what the machine has."""

from __future__ import annotations

from backup_agent.cli.main import Context, answer, json_option, main, pass_context
from backup_agent.machine import resources
from backup_agent.values import Json


@main.command("resources")
@json_option
@pass_context
def resources_command(context: Context, as_json: bool) -> None:
    """Show what the job needs of this machine, what there is, and which members are reached. Changes nothing."""

    def produce() -> tuple[Json, int]:
        found = resources.look(context.config)
        return found.to_json(), 1 if found.missing else 0

    answer(as_json, produce)
