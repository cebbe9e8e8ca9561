# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `annual_plan`; what it does is in plugin_utils/annual.py."""

from __future__ import annotations

DOCUMENTATION = """
name: annual_plan
short_description: Choose the jobs of an annual resync, and forecast the turns of the others
version_added: 0.1.0
description:
  - A job is due when its provider says so in a dry run of M(mongodb_ops.backup.resync) with the policy V(older_than).
  - Jobs whose backup is out of sync come first, then jobs that were never resynced, then the others, the oldest first.
    Jobs whose newest sync has failed come last.
  - An open operation is part of the run at any hour. No other resync is begun outside of the allowed hours or in a
    night that touches a blackout date.
  - The forecast assumes a run in every night that can be used, and that all goes well.
options:
  _input:
    description:
      - For each job C(job), its name, and C(result) of its preflight or its resync (C(planned), C(attached), C(not needed),
        C(refused), C(unreachable), C(done), C(failed) and so on) with C(why).
      - C(age_days) of the last resync, null where there was none; C(readable), whether that could be read; C(max_age_days).
      - C(lost), whether the backup is out of sync; C(failed), whether its newest sync has failed.
    type: list
    elements: dict
    required: true
  hours:
    description: The hours in which resyncs may be started, like V(22:00-05:00). V(00:00-24:00) allows every hour.
    type: str
    required: true
  blackout_dates:
    description: Dates like V(2026-12-24), or C(FIRST/LAST). A night that touches one of them is not used.
    type: list
    elements: str
    default: []
  time_zone:
    description: The time zone of the hours and the dates, like V(Europe/Berlin). Empty means the controller's.
    type: str
    default: ""
  now:
    description: The moment to plan for, like V(2026-11-28T23:00). Empty means now.
    type: str
    default: ""
  per_run:
    description: The largest number of jobs that a run resyncs.
    type: int
    required: true
  ended:
    description: Whether the run has ended, so that only the coming nights are planned.
    type: bool
    default: false
author:
  - the mongodb_ops.backup contributors
"""

EXAMPLES = """
- name: Show whose turn it is
  ansible.builtin.debug:
    msg: "{{ jobs | mongodb_ops.backup.annual_plan(hours='22:00-05:00', per_run=4) }}"
  vars:
    jobs:
      - {job: orders, result: planned, age_days: 400, max_age_days: 365}
      - {job: items, result: not needed, age_days: 12, max_age_days: 365}
"""

RETURN = """
_value:
  description:
    - C(run) has the jobs of this run in their order; C(closed) says why none may be started now, and is empty when they may;
      C(now) is the moment that was planned for.
    - C(turns) has every job, with C(due), C(due_on), C(age_days), C(max_age_days), C(why), and C(turn), which is V(now), the date
      on which the hours of its night begin, or null where that is not known.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import annual, nights


def annual_plan(
    jobs: Iterable[Mapping[str, Any]],
    hours: str,
    per_run: int,
    blackout_dates: Iterable[object] = (),
    time_zone: str = "",
    now: str = "",
    ended: bool = False,
) -> dict[str, Any]:
    """Return the jobs of this run, and when each job has its turn. Raises AnsibleFilterError."""
    try:
        calendar, moment = nights.calendar(hours, blackout_dates), nights.wall_clock(time_zone, str(now))
        return annual.plan([annual.job_of(found) for found in jobs], calendar, moment, per_run, ended)
    except FixInput as error:
        raise AnsibleFilterError(error.message) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"annual_plan": annual_plan}
