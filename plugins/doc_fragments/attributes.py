# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the attributes of the modules mean."""

from __future__ import annotations


class ModuleDocFragment:
    """Descriptions; each module says how far it supports them."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the predicted changed status without changing anything.
  diff_mode:
    description: Returns what has changed, or in check mode what would change, when in diff mode.
  platform:
    description: The operating systems on which the module can run.
    platforms: linux
"""

    ACTION_GROUP = r"""
attributes:
  action_group:
    description: >-
      Use C(group/mongodb_ops.backup.backup) in C(module_defaults) to set the options that all modules working on a job
      have in common.
    support: full
    membership:
      - mongodb_ops.backup.backup
"""
