# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as people give them, which may be text where something else is meant. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible.constants import LOCALHOST
from ansible.module_utils.parsing.convert_bool import boolean

#: The names that are the controller: Ansible connects to none of them, not even where the inventory has no such host.
CONTROLLERS = frozenset(map(str, LOCALHOST))


def truth(value: object) -> bool:
    """Return a boolean, also of a text like yes or "false". Raises TypeError for what is none."""
    return bool(boolean(value, strict=True))


def names_in(value: Any) -> tuple[str, ...]:
    """Return the names in a list; a text is a list of one, and nothing is a list of none."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (str(value),) if value else ()
    return tuple(map(str, value))
