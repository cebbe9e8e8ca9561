"""docs/fidelity.md says what the table decides, and names the servers that the agent calls tested."""

from __future__ import annotations

from pathlib import Path

from backup_agent import TESTED_SERVER_MAJORS
from backup_agent.replay.rules import COMMANDS, OPERATIONS
from lab.servers import SERVERS

PAGE = (Path(__file__).resolve().parents[3] / "docs/fidelity.md").read_text()


def test_the_page_shows_the_whole_table() -> None:
    """Every rule is a row with the decision and the reason, in the order of the table, and there is no other row."""
    rules = {f"`{op}`": rule for op, rule in OPERATIONS.items()}
    rules |= {f"`c` `{name}`": rule for name, rule in COMMANDS.items()}
    expected = [f"| {entry} | {rule.action.value} | {rule.why} |" for entry, rule in rules.items()]
    section = PAGE.split("## The table of entries")[1].split("\n## ")[0]
    assert expected == [line for line in section.splitlines() if line.startswith("| `")]


def test_the_page_names_the_tested_servers() -> None:
    """Each server that `bin/test servers` installs is on the page, and its major version is one that the agent calls tested."""
    assert all(f"{version}" in PAGE for version in SERVERS)
    assert {version.rpartition(".")[0] for version in SERVERS} == set(TESTED_SERVER_MAJORS)
