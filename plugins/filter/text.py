# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters `duration` and `time_between`; what they do is in plugin_utils/text.py, and each is documented beside this file."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.text import duration, time_between


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """Return them by their names."""
        return {"duration": duration, "time_between": time_between}
