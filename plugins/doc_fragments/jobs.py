# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules that check many jobs at once."""

from __future__ import annotations

import textwrap

from ansible_collections.mongodb_ops.backup.plugins.doc_fragments import job, login, thresholds


def _suboptions(text: str) -> str:
    """Return the options of another fragment, so far in as those of a job are."""
    options = text.split("options:\n", 1)[1].split("\nrequirements:", 1)[0].split("\nnotes:", 1)[0]
    return textwrap.indent(options.rstrip(), "    ").replace("O(", "O(jobs[].") + "\n"


# Without a default for the host, a job without a source can be told from a job whose source is on this host.
_SOURCE = _suboptions(login.ModuleDocFragment.DOCUMENTATION).replace("        default: localhost\n", "", 1)
_AGENT = _suboptions(job.ModuleDocFragment.DOCUMENTATION)
_THRESHOLDS = _suboptions(thresholds.ModuleDocFragment.DOCUMENTATION)


_OWN = r"""
options:
  jobs:
    description:
      - The jobs to check.
      - Without C(login_uri) and C(login_host) the oplog of a job is not checked. Without C(agent_config) its backup is
        not checked.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the job.
        type: str
        required: true
      cluster:
        description: The cluster that the job belongs to.
        type: str
      machine:
        description: The machine that the agent runs on. It is only shown in the record.
        type: str
        default: controller
      min_hours:
        description: An oplog window of less than this is critical.
        type: float
        default: 24
"""
_MORE = r"""
  rates:
    description:
      - Whether to estimate the write rate from the oplog. This takes up to a second of one member of each replica set.
    type: bool
    default: true
  parallel:
    description:
      - How many jobs are checked at the same time.
    type: int
    default: 16
"""


class ModuleDocFragment:
    """The counterpart of JOBS in module_utils/fleet.py."""

    DOCUMENTATION: str


# This is put together from other texts. The linters check only literal texts, and each of those is one.
ModuleDocFragment.DOCUMENTATION = _OWN + _SOURCE + _AGENT + _THRESHOLDS + _MORE
