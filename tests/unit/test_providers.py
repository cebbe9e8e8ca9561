# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page about providers says of each what its facts say."""

from __future__ import annotations

from dataclasses import fields

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.base import Facts
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.embedded import FACTS as EMBEDDED
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers.ops_manager import FACTS as OPS_MANAGER
from tests.unit.tables import rows

MATRIX = {row["fact"].strip("`"): row for row in rows("providers.md", "fact")}
NAMES = [field.name for field in fields(Facts) if isinstance(field.default, bool)]


def test_every_fact_has_a_row() -> None:
    """A fact that is new is documented with it, and one that is gone goes from the page."""
    assert NAMES == list(MATRIX)


@pytest.mark.parametrize("facts", [EMBEDDED, OPS_MANAGER], ids=lambda facts: facts.name)
@pytest.mark.parametrize("name", NAMES)
class TestFact:
    def test_is_what_the_page_says(self, name: str, facts: Facts) -> None:
        """Nobody plans with something that is refused then."""
        assert ("yes" if getattr(facts, name) else "no") == MATRIX[name][facts.name]

    def test_says_what_to_do_instead(self, name: str, facts: Facts) -> None:
        """A refusal names the way out, in the error and on the page."""
        if not getattr(facts, name):
            assert MATRIX[name]["where it is no"]
            assert name in facts.instead or not name.startswith("can_")
