# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attributes of the modules."""

from __future__ import annotations


class ModuleDocFragment:
    """What all modules support, and apart from it the difference, which those that change something show."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the predicted changed status without changing anything.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode what would change, when in diff mode.
  platform:
    description: The operating systems on which the module can run.
    platforms: linux
    support: full
"""

    WITHOUT_DIFF = r"""
attributes:
  diff_mode:
    support: none
"""

    WITH_DIFF = r"""
attributes:
  diff_mode:
    support: full
"""
