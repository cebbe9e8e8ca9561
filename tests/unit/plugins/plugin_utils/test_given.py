# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values as people give them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.given import names_in, truth


@pytest.mark.parametrize(
    ("expected", "value"), [(True, True), (True, "yes"), (False, False), (False, "false"), (False, "no"), (False, 0)]
)
def test_booleans(expected: bool, value: object) -> None:
    """As Ansible reads them everywhere."""
    assert expected is truth(value)


@pytest.mark.parametrize("value", ["perhaps", "", None, []])
def test_what_is_no_boolean(value: object) -> None:
    """Nobody guesses what was meant."""
    with pytest.raises(TypeError, match="not a valid boolean"):
        truth(value)


@pytest.mark.parametrize(
    ("expected", "value"),
    [((), None), ((), ""), (("",), [""]), (("db1",), "db1"), (("a", "1"), ["a", 1]), (("a",), ("a",))],
)
def test_lists(expected: tuple[str, ...], value: Any) -> None:
    """A text is one name and not its letters."""
    assert expected == names_in(value)
