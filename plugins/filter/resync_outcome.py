# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters `resync_planned`, `resync_failed` and `resync_reported`; what they do is in plugin_utils/resync_outcome.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import resync_outcome


def resync_planned(answer: Mapping[str, Any], job: str, machine: str, again: str) -> dict[str, Any]:
    """Return what the answer to a dry run means now."""
    return resync_outcome.planned(answer, job, machine, again, datetime.now(timezone.utc))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return them by their names."""
        return {
            "resync_planned": resync_planned,
            "resync_failed": resync_outcome.failed,
            "resync_reported": resync_outcome.reported,
        }
