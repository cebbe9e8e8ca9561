# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts: ok, warning, critical, unknown, and how they are formed from numbers and put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, WARNING, CRITICAL, UNKNOWN = "ok", "warning", "critical", "unknown"

# Critical outranks unknown because it is certain; both stop whatever has to be decided.
_RANK = {OK: 0, WARNING: 1, UNKNOWN: 2, CRITICAL: 3}


@dataclass(frozen=True)
class Finding:
    """A verdict with the sentence that explains it; an ok needs none."""

    verdict: str
    reason: str = ""


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst one; of nothing nothing is known, and neither of a word that is not a verdict."""
    known = [verdict if verdict in _RANK else UNKNOWN for verdict in verdicts]
    return max(known, key=_RANK.__getitem__, default=UNKNOWN)


def reasons(findings: Iterable[Finding]) -> list[str]:
    """Return the sentences, the worst first."""
    ordered = sorted(findings, key=lambda finding: -_RANK.get(finding.verdict, _RANK[UNKNOWN]))
    return [finding.reason for finding in ordered if finding.reason]


def at_most(name: str, value: float | None, *, warning: float | None, critical: float | None) -> Finding:
    """Judge a value that should stay small; a value that could not be measured is unknown if anybody asked."""
    if warning is None and critical is None:
        return Finding(OK)
    if value is None:
        return Finding(UNKNOWN, f"{name} is not known")
    if critical is not None and value > critical:
        return Finding(CRITICAL, f"{name} is {value:g}, more than {critical:g}")
    if warning is not None and value > warning:
        return Finding(WARNING, f"{name} is {value:g}, more than {warning:g}")
    return Finding(OK)


def at_least(name: str, value: float | None, *, critical: float | None) -> Finding:
    """Judge a value that should stay large."""
    if critical is None:
        return Finding(OK)
    if value is None:
        return Finding(UNKNOWN, f"{name} is not known")
    if value < critical:
        return Finding(CRITICAL, f"{name} is {value:g}, less than {critical:g}")
    return Finding(OK)
