# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Python that the agent's command runs with: it has the libraries that the host's own Python may lack."""

from __future__ import annotations

import os
import shlex
import shutil


def candidates(agent_python: str | None, agent_command: str) -> list[str]:
    """Return the interpreters to try, the best first; those that do not exist are left out."""
    found = [agent_python] if agent_python else _behind(agent_command)
    return list(dict.fromkeys(path for path in found if path and os.access(path, os.X_OK)))


def _behind(agent_command: str) -> list[str | None]:
    words = shlex.split(agent_command)
    path = shutil.which(words[0]) if words else None
    if path is None:
        return []
    real = os.path.realpath(path)
    # Beside the script lies the Python of its virtual environment, also where the script is a link or a wrapper.
    return [_shebang(real), os.path.join(os.path.dirname(real), "python3")]


def _shebang(path: str) -> str | None:
    try:
        with open(path, "rb") as script:
            line = script.readline(512)
    except OSError:
        return None
    if not line.startswith(b"#!"):
        return None
    words = line[2:].decode("utf-8", "replace").split()
    named = bool(words) and os.path.basename(words[0]).startswith("python")
    return words[0] if named else None
