"""The command line, with all of its commands: `backup-agent`, and `python -m backup_agent`."""

from backup_agent import cli_maintenance, cli_restore  # noqa: F401 - add their commands
from backup_agent.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
