# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters `job_options` and `ops_manager_options`; what they do is in plugin_utils/job_options.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.job_options import job_options, ops_manager_options


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """Return them by their names."""
        return {"job_options": job_options, "ops_manager_options": ops_manager_options}
