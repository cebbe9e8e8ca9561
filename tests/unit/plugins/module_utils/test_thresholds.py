# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Limits."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.mongodb_ops.backup.plugins.doc_fragments.thresholds import ModuleDocFragment
from ansible_collections.mongodb_ops.backup.plugins.module_utils import thresholds
from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput


def findings(value: float | None, measure: str = "backup_lag_seconds", **limit: float) -> list[tuple[str, str]]:
    """Return what is found about one measure."""
    found = thresholds.judge({measure: value}, {measure: limit})
    return [(finding.verdict, finding.reason) for finding in found if finding.verdict != "ok"]


class TestJudge:
    @pytest.mark.parametrize(
        ("expected", "value"), [("ok", 10), ("warning", 11), ("warning", 20), ("critical", 21), ("unknown", None)]
    )
    def test_what_should_be_small(self, expected: str, value: float | None) -> None:
        """The limit itself is still in order, and what is not known is not."""
        verdicts = [verdict for verdict, _reason in findings(value, warning=10, critical=20)]
        assert ([] if expected == "ok" else [expected]) == verdicts

    @pytest.mark.parametrize(("expected", "value"), [("ok", 20), ("warning", 19), ("critical", 9), ("unknown", None)])
    def test_what_should_be_large(self, expected: str, value: float | None) -> None:
        """Headroom and slack are bad when they are small."""
        verdicts = [verdict for verdict, _reason in findings(value, "slack_minutes", warning=20, critical=10)]
        assert ([] if expected == "ok" else [expected]) == verdicts

    def test_sentence(self) -> None:
        """The operator reads the value, its unit and the limit."""
        assert [("critical", "the slack is 9.5 min, less than 10")] == findings(9.5, "slack_minutes", critical=10)

    @pytest.mark.parametrize(("expected", "limit"), [("warning", {"warning": 1}), ("critical", {"critical": 1})])
    def test_a_snapshot_that_is_not_there(self, expected: str, limit: dict[str, float]) -> None:
        """The provider answered that there is none: that is known, and worse than any age."""
        assert [(expected, "there is no proven snapshot")] == findings(None, "proven_age_hours", **limit)

    def test_nothing_asked(self) -> None:
        """A value that nobody set a limit for does not make the verdict unknown."""
        assert {"ok"} == {finding.verdict for finding in thresholds.judge({}, None)}


class TestCheck:
    @pytest.mark.parametrize(
        ("measure", "limit"),
        [
            ("backup_lag_seconds", {"warning": 20, "critical": 10}),
            ("slack_minutes", {"warning": 10, "critical": 20}),
        ],
    )
    def test_contradiction(self, measure: str, limit: dict[str, float]) -> None:
        """A critical limit inside of the warning would never let a warning be seen."""
        with pytest.raises(FixInput, match=f"Expected thresholds.{measure}.critical"):
            thresholds.check({measure: limit})

    @pytest.mark.parametrize(
        "limits",
        [
            None,
            {},
            {"slack_minutes": None},
            {"slack_minutes": {"warning": 20, "critical": 10}},
            {"backup_lag_seconds": {"warning": 5, "critical": 5}},
        ],
    )
    def test_sense(self, limits: dict[str, Any] | None) -> None:
        """Limits in order, one alone, equal ones or none are taken."""
        thresholds.check(limits)


def test_every_measure_is_documented() -> None:
    """The documentation and the specification name the same measures."""
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["thresholds"]["suboptions"]
    assert [measure.name for measure in thresholds.MEASURES] == list(documented)
