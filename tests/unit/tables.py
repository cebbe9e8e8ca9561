# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the tables of a Markdown page."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rows(page: str, first: str) -> list[dict[str, str]]:
    """Return the rows of every table whose first column has this name, each by the names of its columns."""
    found, names = [], None
    for line in (ROOT / "docs" / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            names = None
        elif names is None:
            names = cells
        elif names[0] == first and set(cells) != {"---"}:
            assert len(names) == len(cells), line
            found.append(dict(zip(names, cells)))
    return found
