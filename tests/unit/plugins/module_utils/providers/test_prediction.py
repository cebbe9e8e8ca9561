# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode of the providers."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.providers import prediction

MINE = {"owner": "me", "reason": "upgrade", "expires_at": None}
YOURS = {"owner": "you", "reason": "audit", "expires_at": None}
OPEN = {"id": "v-1", "kind": "validation", "owner": "me", "state": "running"}


class TestLeases:
    def test_same_lease_is_no_change(self) -> None:
        """Pausing twice for the same reason is idempotent."""
        assert {"changed": False, "leases": [MINE]} == prediction.paused({"leases": [MINE]}, "me", "upgrade", None)

    def test_lease_with_an_end_is_renewed(self) -> None:
        """Its time starts again."""
        assert prediction.paused({"leases": [MINE]}, "me", "upgrade", 60)["changed"] is True

    def test_pausing_leaves_others_alone(self) -> None:
        """A lease belongs to its owner."""
        assert {
            "changed": True,
            "leases": [YOURS, MINE],
        } == prediction.paused({"leases": [YOURS]}, "me", "upgrade", None)

    def test_resuming_leaves_others_alone(self) -> None:
        """Snapshots stay paused while anybody wants them to."""
        assert {"changed": True, "leases": [YOURS]} == prediction.resumed({"leases": [MINE, YOURS]}, "me")

    def test_resuming_without_a_lease_is_no_change(self) -> None:
        """Who has no lease removes none."""
        assert {"changed": False, "leases": [YOURS]} == prediction.resumed({"leases": [YOURS]}, "me")


class TestResync:
    @pytest.mark.parametrize(
        ("expected", "needed", "attached"), [(True, True, False), (False, False, False), (False, True, True)]
    )
    def test_started(self, expected: bool, needed: bool, attached: bool) -> None:
        """One that is not needed, or is going on already, changes nothing."""
        assert expected is prediction.resync_started({"needed": needed, "attached": attached})["changed"]

    @pytest.mark.parametrize(
        ("expected", "operation"), [(True, OPEN), (False, {**OPEN, "state": "done"}), (False, None)]
    )
    def test_canceled(self, expected: bool, operation: dict[str, str] | None) -> None:
        """Only what is going on can be canceled."""
        assert expected is prediction.canceled({"operation": operation})["changed"]


class TestValidation:
    def test_starts_when_nothing_is_open(self) -> None:
        """An operation that has ended is in nobody's way."""
        assert prediction.validation_started({"operation": {**OPEN, "state": "failed"}}, "me")["changed"] is True

    def test_attaches_to_its_own(self) -> None:
        """Asking twice is one validation."""
        assert prediction.validation_started({"operation": OPEN}, "me")["attached"] is True

    def test_refused_by_another(self) -> None:
        """Check mode refuses what the real run would refuse, naming who is in the way."""
        with pytest.raises(AskOperator, match="validation v-1 of me"):
            prediction.validation_started({"operation": OPEN}, "you")


class TestSnapshot:
    @pytest.mark.parametrize(
        ("expected", "state", "found"),
        [
            (True, "present", None),
            (False, "present", {}),
            (False, "absent", None),
            (True, "absent", {}),
            (True, "held", {"held": False}),
            (False, "held", {"held": True}),
            (True, "released", {"held": True}),
            (False, "released", {"held": False}),
            (True, "proven", {"proven_at": None}),
            (False, "proven", {"proven_at": "2026-01-01T00:00:00Z"}),
        ],
    )
    def test_changed(self, expected: bool, state: str, found: dict[str, object] | None) -> None:
        """Every state is idempotent."""
        snapshots = [{"name": "other", "held": True}, *([] if found is None else [{"name": "n", **found}])]
        assert expected is prediction.snapshot_set(snapshots, "n", state)["changed"]

    @pytest.mark.parametrize("state", ["held", "released", "proven"])
    def test_unknown_name(self, state: str) -> None:
        """What does not exist cannot be held or proven."""
        with pytest.raises(AskOperator, match="a snapshot named n, found none"):
            prediction.snapshot_set([], "n", state)
