# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding the Python of the agent."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.mongodb_ops.backup.plugins.module_utils.servers.interpreter import candidates


def executable(path: Path, text: str) -> Path:
    """Write a file that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


class TestCandidates:
    def test_option_wins(self, tmp_path: Path) -> None:
        """Who names a Python means that one and no other."""
        python = executable(tmp_path / "python3", "")
        assert [str(python)] == candidates(str(python), "backup-agent")

    def test_beside_the_command_behind_a_link(self, tmp_path: Path) -> None:
        """The command in the PATH is usually a link into a virtual environment."""
        python = executable(tmp_path / "venv/bin/python3", "")
        command = executable(tmp_path / "venv/bin/backup-agent", "#!/bin/sh\n")
        link = tmp_path / "backup-agent"
        link.symlink_to(command)
        assert [str(python)] == candidates(None, f"{link} --quiet")

    def test_interpreter_of_the_script_first(self, tmp_path: Path) -> None:
        """The script's own first line is the surest sign."""
        python = executable(tmp_path / "python3.12", "")
        command = executable(tmp_path / "bin/backup-agent", f"#!{python}\n")
        assert [str(python)] == candidates(None, str(command))

    def test_no_command_no_candidates(self) -> None:
        """A host without an agent is nothing special: the module then says what is missing."""
        assert [] == candidates(None, "/nowhere/backup-agent")
        assert [] == candidates("/nowhere/python3", "backup-agent")
