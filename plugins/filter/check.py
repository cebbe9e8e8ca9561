# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters `check_plan` and `check_summary`; what they do is in plugin_utils/check.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import check


def check_summary(plan: Mapping[str, Any], hostvars: Mapping[str, Any], fail_on: str) -> dict[str, Any]:
    """Return the records of now, and the jobs that are to fail."""
    return check.check_summary(plan, hostvars, fail_on, datetime.now(timezone.utc))


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return them by their names."""
        return {"check_plan": check.check_plan, "check_summary": check_summary}
