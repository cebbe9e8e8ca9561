# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits of the modules that judge a backup."""

from __future__ import annotations


class ModuleDocFragment:
    """The counterpart of THRESHOLDS in module_utils/thresholds.py."""

    DOCUMENTATION = r"""
options:
  thresholds:
    description:
      - Limits of this job. A value beyond the warning makes the verdict V(warning), one beyond the critical limit V(critical).
      - A measure with a limit whose value is not known makes it V(unknown), never V(ok).
      - Limits only make the verdict of the provider worse, never better.
    type: dict
    suboptions:
      backup_lag_seconds:
        description: The most that the backup may be behind what a majority has, or behind the primary's last write.
        type: dict
        suboptions: &limit
          warning:
            description: Beyond this it is a warning.
            type: float
          critical:
            description: Beyond this it is critical.
            type: float
      apply_lag_seconds:
        description: The most that the backup's copy may be behind what was captured.
        type: dict
        suboptions: *limit
      headroom_hours:
        description: The least stretch of oplog that the source must still have before the optime that was captured last.
        type: dict
        suboptions: *limit
      slack_minutes:
        description:
          - The least time until the cursor falls off the oplog if writes go on at the rate that is exceeded in 5 % of the time.
          - Needs to know the oplog of the source.
        type: dict
        suboptions: *limit
      snapshot_age_hours:
        description: The greatest age of the newest good snapshot.
        type: dict
        suboptions: *limit
      proven_age_hours:
        description: The greatest age of the newest snapshot that was proven by restoring it.
        type: dict
        suboptions: *limit
      resync_age_days:
        description: The greatest age of the last full sync.
        type: dict
        suboptions: *limit
      validation_age_days:
        description: The greatest age of the last comparison of the backup with its source.
        type: dict
        suboptions: *limit
"""
