# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts."""

from __future__ import annotations

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.verdict import (
    Finding,
    known,
    reasons,
    worst,
    worst_first,
)


@pytest.mark.parametrize("word", ["fine", "OK", "", None, 0, ["ok"], {}])
def test_what_is_no_verdict(word: object) -> None:
    """It is unknown, and a verdict is itself."""
    assert ("unknown", "ok", "critical") == (known(word), known("ok"), known("critical"))


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


class TestWorstFirst:
    def test_order(self) -> None:
        """The worst first, otherwise as they came; a word that nobody knows counts as unknown."""
        records = [
            {"verdict": verdict, "n": n} for n, verdict in enumerate(["ok", "critical", "fine", "warning", "critical"])
        ]
        assert [1, 4, 2, 3, 0] == [record["n"] for record in worst_first(records)]
