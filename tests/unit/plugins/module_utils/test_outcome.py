# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What run returns."""

from __future__ import annotations

from ansible_collections.mongodb_ops.backup.plugins.module_utils.outcome import Outcome, difference


class TestResult:
    def test_leaves_out_a_missing_diff(self) -> None:
        """Ansible shows an empty difference for a diff that is null."""
        assert {"changed": False, "a": 1} == Outcome({"a": 1}).result()

    def test_has_the_diff(self) -> None:
        """A writing module shows what it changed."""
        outcome = Outcome({}, changed=True, diff=difference(None, {"a": 1}))
        assert {"changed": True, "diff": {"before": {}, "after": {"a": 1}}} == outcome.result()
