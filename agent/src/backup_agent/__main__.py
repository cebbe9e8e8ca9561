"""The command line, with all of its commands: `backup-agent`, and `python -m backup_agent`."""

from backup_agent import cli_restore  # noqa: F401 - adds its commands
from backup_agent.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
