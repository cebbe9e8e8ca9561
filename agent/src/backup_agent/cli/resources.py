"""The command `resources`: what the job needs of its machine, and what the machine has."""

from __future__ import annotations

from backup_agent.cli.main import Context, Found, answers, main
from backup_agent.machine import resources


@main.command("resources")
@answers
def resources_command(context: Context) -> Found:
    """Show what the job needs of this machine, what the machine has, and which members it reaches. Changes nothing."""
    found = resources.look(context.config)
    return found, 1 if found.missing else 0
