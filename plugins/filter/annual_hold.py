# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `annual_hold`; what it does is in plugin_utils/annual.py."""

from __future__ import annotations

DOCUMENTATION = """
name: annual_hold
short_description: Say why no further batch of an annual resync may be started
version_added: 0.1.0
description:
  - No batch is started outside of the allowed hours, in a night that touches a blackout date, or when too many jobs
    have failed.
options:
  _input:
    description: The results of all jobs of this run so far, including jobs that were not started yet.
    type: list
    elements: str
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
  max_failure_percent:
    description: The percentage of the jobs of the run that may fail.
    type: float
    required: true
author:
  - the mongodb_ops.backup contributors
"""

EXAMPLES = """
- name: Stop when too many have failed, or the night is over
  ansible.builtin.assert:
    that: held == ''
    fail_msg: "{{ held }}"
  vars:
    held: "{{ ['done', 'failed', 'planned'] | mongodb_ops.backup.annual_hold(hours='22:00-05:00', max_failure_percent=25) }}"
"""

RETURN = """
_value:
  description: The reason; empty when the next batch may be started.
  type: str
"""

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import FixInput
from ansible_collections.mongodb_ops.backup.plugins.plugin_utils import annual, nights


def annual_hold(
    results: Iterable[str],
    hours: str,
    max_failure_percent: float,
    blackout_dates: Iterable[object] = (),
    time_zone: str = "",
    now: str = "",
) -> str:
    """Return the reason, or nothing. Raises AnsibleFilterError."""
    try:
        calendar, moment = nights.calendar(hours, blackout_dates), nights.wall_clock(time_zone, str(now))
    except FixInput as error:
        raise AnsibleFilterError(error.message) from error
    return annual.hold(list(results), calendar, moment, max_failure_percent)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return them by their names."""
        return {"annual_hold": annual_hold}
