# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module's run returns to its main, which is the only place that exits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Whether anything changed, the values to return, and for writing modules the difference."""

    record: dict[str, Any]
    changed: bool = False
    diff: dict[str, Any] | None = field(default=None)

    def result(self) -> dict[str, Any]:
        """Return the arguments of exit_json."""
        diff = {} if self.diff is None else {"diff": self.diff}
        return {"changed": self.changed, **self.record, **diff}


def difference(before: Any, after: Any) -> dict[str, Any]:
    """Return a diff of two values as Ansible shows it."""
    return {"before": {} if before is None else before, "after": {} if after is None else after}
