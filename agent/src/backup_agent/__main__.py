"""The command line, with all of its commands: `backup-agent`, and `python -m backup_agent`."""

from backup_agent.cli import maintenance, memory, removable, restore  # noqa: F401 - they add their commands
from backup_agent.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
