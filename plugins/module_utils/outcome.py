# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module's run returns, and the only place that exits with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .arguments import Arguments
from .errors import BackupError
from .printable import identified, printable


@dataclass(frozen=True)
class Outcome:
    """Whether anything changed, the values to return, and for writing modules the difference."""

    record: dict[str, Any]
    changed: bool = False
    diff: dict[str, Any] | None = None

    def result(self) -> dict[str, Any]:
        """Return the arguments of exit_json."""
        diff = {} if self.diff is None else {"diff": self.diff}
        return {"changed": self.changed, **self.record, **diff}


def difference(before: Any, after: Any) -> dict[str, Any]:
    """Return a diff of two values as Ansible shows it."""
    return {"before": {} if before is None else before, "after": {} if after is None else after}


def run_module(arguments: Arguments, run: Callable[[AnsibleModule], Outcome]) -> None:
    """Do what a module is for, and exit with its outcome or with what was in the way."""
    module = AnsibleModule(**arguments.module_arguments())
    try:
        module.exit_json(**printable(identified(run(module).result())))
    except BackupError as error:
        module.fail_json(**printable(error.failure()))
