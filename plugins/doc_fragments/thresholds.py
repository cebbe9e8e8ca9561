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
      - Limits of this job. A value beyond the warning limit makes the verdict V(warning), and a value beyond the
        critical limit makes it V(critical).
      - When a value that has a limit is not known, the verdict is V(unknown), never V(ok).
      - Limits can make the verdict of the provider worse, but never better.
    type: dict
    suboptions:
      backup_lag_seconds:
        description: How far the backup may be behind what a majority has, or behind the primary's last write.
        type: dict
        suboptions: &limit
          warning:
            description: Beyond this value the verdict is a warning.
            type: float
          critical:
            description: Beyond this value the verdict is critical.
            type: float
      apply_lag_seconds:
        description: How far the head may be behind the captured optime.
        type: dict
        suboptions: *limit
      headroom_hours:
        description: How many hours of oplog the source must still have before the captured optime.
        type: dict
        suboptions: *limit
      slack_minutes:
        description:
          - The least time until the cursor falls off the oplog if writes go on at the rate that is exceeded in 5 % of the time.
          - This limit needs the oplog of the source.
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
