# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters `check_rows` and `check_metrics`; what they do is in plugin_utils/report/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.metrics import check_metrics
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.rows import check_rows


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        """Return them by their names."""
        return {"check_rows": check_rows, "check_metrics": check_metrics}
