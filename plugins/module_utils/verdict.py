# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts: ok, warning, critical, unknown, and how they are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

OK, WARNING, CRITICAL, UNKNOWN = "ok", "warning", "critical", "unknown"

# Critical outranks unknown because it is certain; both stop whatever has to be decided.
_RANK = {OK: 0, WARNING: 1, UNKNOWN: 2, CRITICAL: 3}


@dataclass(frozen=True)
class Finding:
    """A verdict with the sentence that explains it; an ok needs none."""

    verdict: str
    reason: str = ""


def known(word: object) -> str:
    """Return a verdict as it is; a word that is none is unknown."""
    return word if isinstance(word, str) and word in _RANK else UNKNOWN


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst verdict. Without any verdict, or with a word that is none, it is unknown."""
    return max(map(known, verdicts), key=_RANK.__getitem__, default=UNKNOWN)


def reasons(findings: Iterable[Finding]) -> list[str]:
    """Return the sentences, the worst first."""
    ordered = sorted(findings, key=lambda finding: -_RANK.get(finding.verdict, _RANK[UNKNOWN]))
    return [finding.reason for finding in ordered if finding.reason]


def worst_first(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records that have a verdict, the worst first and otherwise in their order."""
    return sorted(records, key=lambda record: -_RANK.get(record["verdict"], _RANK[UNKNOWN]))
