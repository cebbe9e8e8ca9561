"""`python -m backup_agent`: the command line."""

from backup_agent.cli import main

main()
