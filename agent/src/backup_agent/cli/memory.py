"""The command that says how much memory the service of a job may take."""

from __future__ import annotations

from backup_agent.cli.main import Context, Found, answers, main
from backup_agent.machine.resources import memory_limit


@main.command("memory-limit")
@answers
def memory_limit_command(context: Context) -> Found:
    """Show the limit for the memory of the job's processes, as its configuration asks for. Looks at nothing else."""
    return {"bytes": memory_limit(context.config)}
