# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documentation says can be followed: its links lead somewhere, and its commands exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from backup_agent.__main__ import main as backup_agent
from backup_agent.cli.operators import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "molecule/README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "roles").glob("*/README.md"),
    ]
)
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PLAYBOOK = re.compile(r"(?:mongodb_ops\.backup\.|playbooks/)([a-z_]+)(?:\.yml)?")
FULL_NAME = re.compile(r"\bmongodb_ops\.backup\.([a-z_]+)")
ALERT = re.compile(r"\bMongoDB(?:Backup|Oplog)[A-Z]\w+")
PATH = re.compile(r"(?:bin|docs|lab|playbooks|roles|plugins|inventories|tests|molecule|agent|extensions)/[\w./-]+")
#: How many characters a line of text may have. Tables, code, and a link that stands alone may be longer.
WIDTH = 120
#: A word in the place of what a reader fills in.
PLACEHOLDER = re.compile(r"^[^a-z]*$|…")


def name_of(page: Path) -> str:
    """Return how a page is called in the repository."""
    return str(page.relative_to(ROOT))


def prose(text: str) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", text)


def too_long(text: str) -> list[str]:
    """Return the lines of text that are longer than `WIDTH`."""
    long = (line for line in prose(text).splitlines() if len(line) > WIDTH and " " in line.strip())
    return [line for line in long if not line.startswith("    ") and not line.lstrip().startswith("|")]


def anchors(text: str) -> set[str]:
    """Return the anchors that headings get where a repository is browsed."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", prose(text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()) for heading in headings)
    return {words.replace(" ", "-") for words in plain}


def commands(text: str) -> Iterator[list[str]]:
    """Give the words of each line of code and of each piece of code in a sentence; a line goes on after a backslash."""
    lines = [line for block in FENCE.findall(text) for line in re.sub(r"\\\n\s*", "", block).splitlines()[1:-1]]
    lines += [line for line in prose(text).splitlines() if line.startswith("    ")]
    return map(words_of, [*lines, *SPAN.findall(prose(text))])


def words_of(line: str) -> list[str]:
    """Return the words of a line as a shell would, or near enough where it is no whole command."""
    try:
        return shlex.split(line.strip().removeprefix("$ "), comments=True)
    except ValueError:
        return line.split()


def called(text: str, program: str) -> Iterator[list[str]]:
    """Give the arguments of each call of a program; what comes after a semicolon is another command."""
    for words in commands(text):
        places = [place for place, word in enumerate(words) if word.rpartition("/")[2] == program]
        for place in places:
            rest = words[place + 1 :]
            ends = [number for number, word in enumerate(rest) if word.endswith(";") or word in ("|", "&&", "(")]
            yield [word.rstrip(";,:") for word in rest[: ends[0] + 1 if ends else None]]


@cache
def known_variables() -> set[str]:
    """Return the options of every role, and every name in a playbook."""
    specifications = (
        yaml.safe_load(path.read_text())["argument_specs"]
        for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")
    )
    options = {name for spec in specifications for entry in spec.values() for name in entry.get("options") or {}}
    return options | {
        word for path in (ROOT / "playbooks").glob("*.yml") for word in re.findall(r"[a-z_]{4,}", path.read_text())
    }


@cache
def known_names() -> set[str]:
    """Return what can stand behind the name of the collection."""
    plugins = {p.stem for p in (ROOT / "plugins").glob("*/*.py")} | {p.name for p in (ROOT / "roles").iterdir()}
    books = {p.stem for folder in ("playbooks", "extensions/eda/rulebooks") for p in (ROOT / folder).glob("*.yml")}
    return plugins | books | set(yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"])


@cache
def alerts() -> set[str]:
    """Return the alerts that there are rules for."""
    groups = yaml.safe_load((ROOT / "roles/report/files/alerts.yml").read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"]}


def extra_variables(arguments: list[str]) -> Iterator[str]:
    """Give the names that `-e` sets, one or several in one word."""
    for flag, value in zip(arguments, arguments[1:], strict=False):
        if flag in ("-e", "--extra-vars"):
            yield from re.findall(r"(?:^| )([a-z_]\w*)=", value)


def wrong_in_agent_call(arguments: list[str]) -> str | None:
    """Say what the agent's command line does not know of a call; None when it knows everything."""
    command: click.Command = backup_agent
    words = iter(arguments)
    for word in words:
        if PLACEHOLDER.search(word):
            return None
        if word.startswith("-"):
            option = next((p for p in command.params if word.partition("=")[0] in p.opts), None)
            if option is None and word != "--help":
                return f"{command.name}: {word}"
            if isinstance(option, click.Option) and not option.is_flag and "=" not in word:
                next(words, None)
        elif isinstance(command, click.Group):
            if word not in command.commands:
                return f"{command.name}: {word}"
            command = command.commands[word]
        elif not any(isinstance(p, click.Argument) for p in command.params):
            return None  # the sentence goes on
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
class TestPage:
    def test_links_lead_somewhere(self, page: Path) -> None:
        """A file that was moved, or a heading that was renamed, is detected."""
        broken = []
        for link in LINK.findall(prose(page.read_text())):
            path, _hash, anchor = link.partition("#")
            if ":" in path:
                continue
            target = (page.parent / path).resolve() if path else page
            found = target.exists() and (not anchor or anchor in anchors(target.read_text()))
            if not found:
                broken.append(link)
        assert [] == broken

    def test_names_of_the_collection_exist(self, page: Path) -> None:
        """A playbook, a module or a role that a page names by its full name is there."""
        assert set() == set(FULL_NAME.findall(page.read_text())) - known_names()

    def test_playbooks_and_their_variables_exist(self, page: Path) -> None:
        """A copied command names a playbook that exists, and variables that something reads."""
        wrong = []
        for arguments in called(page.read_text(), "ansible-playbook"):
            books = [match[1] for word in arguments if (match := PLAYBOOK.fullmatch(word))]
            wrong += [book for book in books if not (ROOT / f"playbooks/{book}.yml").is_file()]
            wrong += [name for name in extra_variables(arguments) if name not in known_variables()]
        assert [] == wrong

    def test_commands_of_the_agent_exist(self, page: Path) -> None:
        """Every command and option of `backup-agent` is one that it has."""
        calls = [call for call in called(page.read_text(), "backup-agent") if call]
        assert [] == [wrong for call in calls if (wrong := wrong_in_agent_call(call))]

    def test_operators_may_call_what_they_are_told_to(self, page: Path) -> None:
        """`backup-job` refuses some commands: no page tells an operator to use those."""
        calls = [call for call in called(page.read_text(), "backup-job") if len(call) > 1]
        assert set() == {call[1] for call in calls if not PLACEHOLDER.search(call[1])} - COMMANDS

    def test_paths_exist(self, page: Path) -> None:
        """A path of the repository in a page is one that is there."""
        words = (word for words in commands(page.read_text()) for word in words)
        named = {word.rstrip(".,;:") for word in words if PATH.fullmatch(word)}
        assert [] == sorted(word for word in named if not (ROOT / word).exists())

    def test_alerts_exist(self, page: Path) -> None:
        """An alert that a page says to act on can fire."""
        assert set() == set(ALERT.findall(page.read_text())) - alerts()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "agent/README.md"], ids=name_of)
def test_lines_are_short(page: Path) -> None:
    """A page can be read, compared and mended in a terminal."""
    assert [] == too_long(page.read_text())


def test_every_page_is_in_the_site() -> None:
    """A page without a place in the contents would not be found."""
    contents = (ROOT / "docs/site/contents.md").read_text()
    named = re.findall(r"^(?:.* <)?((?:docs|roles|molecule)/[^>\s]*)>?$", contents, re.MULTILINE)
    shown = {name_of(path) for pattern in named for path in ROOT.glob(f"{pattern}.md")}
    assert {name_of(page) for page in PAGES} - {"README.md"} == shown


def rules(path: Path) -> list[dict[str, Any]]:
    """Return the rules of a rulebook."""
    return [rule for ruleset in yaml.safe_load(path.read_text()) for rule in ruleset["rules"]]


@pytest.mark.parametrize("book", sorted((ROOT / "extensions/eda/rulebooks").glob("*.yml")), ids=name_of)
def test_rulebooks_name_playbooks_and_alerts_that_exist(book: Path) -> None:
    """A rule with a mistyped alert would never fire, and one with a mistyped playbook would fail when it matters."""
    found = rules(book)
    played = {rule["action"]["run_playbook"]["name"] for rule in found}
    assert found
    assert set() == {PLAYBOOK.fullmatch(name)[1] for name in played} - {
        p.stem for p in (ROOT / "playbooks").glob("*.yml")
    }  # type: ignore[index]
    assert all(set(ALERT.findall(rule["condition"])) & alerts() for rule in found)
    assert set() == {name for rule in found for name in ALERT.findall(rule["condition"])} - alerts()


class TestTheseChecks:
    """The checks above find what they are for."""

    def test_anchors_are_those_of_headings(self) -> None:
        """Punctuation goes, case goes, spaces become hyphens, code in a fence is no heading."""
        assert {"from-the-repository-alone", "resources"} == anchors(
            "# From the repository, alone!\n### `resources`\n```\n# not me\n```\n"
        )

    def test_only_text_is_held_to_the_width(self) -> None:
        """Lines of tables and of code, and addresses alone, cannot be broken."""
        long = "word " * 30
        kept = f"```\n{long}\n```\n\n    {long}\n\n| {long} |\n[{long.replace(' ', '-')}](x)\n"
        assert [long.strip()] == [line.strip() for line in too_long(f"{kept}\n{long}\nshort\n")]

    def test_commands_are_read_from_blocks_and_sentences(self) -> None:
        """A continued line is one command, a prompt and a comment belong to none."""
        block = "```\n$ ansible-playbook playbooks/x.yml \\\n  -e a=1  # why\n```\n"
        text = block + "or `ansible-playbook y`, and\n\n    ansible-playbook z\n"
        assert [["playbooks/x.yml", "-e", "a=1"], ["z"], ["y"]] == list(called(text, "ansible-playbook"))

    def test_several_variables_in_one_word_are_all_seen(self) -> None:
        """The value of one is no variable."""
        assert ["a_b", "c"] == list(extra_variables(["-e", "a_b=1 c='d e'"]))

    @pytest.mark.parametrize(
        ("wrong", "call"),
        [
            (None, "--config x.yml status --json"),
            (None, "--config x.yml schedule pause --owner me --for-seconds 5"),
            (None, "--config FILE COMMAND"),
            ("main: state", "--config x.yml state"),
            ("validate: --depth", "validate --owner me --depth full"),
            ("schedule: stop", "schedule stop"),
        ],
    )
    def test_unknown_words_of_the_agent_are_found(self, wrong: str | None, call: str) -> None:
        """Commands, commands of commands, and options."""
        assert wrong == wrong_in_agent_call(call.split())
