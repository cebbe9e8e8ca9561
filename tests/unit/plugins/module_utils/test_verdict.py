# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.verdict import (
    Finding,
    at_least,
    at_most,
    reasons,
    worst,
)


class TestWorst:
    @pytest.mark.parametrize(
        ("expected", "verdicts"),
        [
            ("ok", ["ok", "ok"]),
            ("warning", ["ok", "warning"]),
            ("unknown", ["warning", "unknown", "ok"]),
            ("critical", ["unknown", "critical"]),
            ("unknown", []),
            ("unknown", ["fine"]),
        ],
    )
    def test_fails_closed(self, expected: str, verdicts: list[str]) -> None:
        """Nothing measured, and a word that nobody knows, must never read as ok."""
        assert expected == worst(verdicts)


class TestReasons:
    def test_worst_first(self) -> None:
        """The first sentence is the one that is read."""
        findings = [Finding("ok"), Finding("warning", "w"), Finding("critical", "c")]
        assert ["c", "w"] == reasons(findings)


class TestThresholds:
    @pytest.mark.parametrize(("expected", "value"), [("ok", 10), ("warning", 11), ("critical", 21), ("unknown", None)])
    def test_at_most(self, expected: str, value: float | None) -> None:
        """A threshold itself is still in order."""
        assert expected == at_most("lag", value, warning=10, critical=20).verdict

    @pytest.mark.parametrize(("expected", "value"), [("ok", 10), ("critical", 9), ("unknown", None)])
    def test_at_least(self, expected: str, value: float | None) -> None:
        """A value that is not known is not enough."""
        assert expected == at_least("headroom", value, critical=10).verdict

    def test_without_a_threshold_nothing_is_asked(self) -> None:
        """A value that nobody set a limit for does not make the verdict unknown."""
        assert Finding("ok") == at_most("lag", None, warning=None, critical=None)
        assert Finding("ok") == at_least("headroom", None, critical=None)
