# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter takes jobs and options as the playbook has them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.filter.annual_plan import FilterModule

annual_plan = FilterModule().filters()["annual_plan"]
JOBS: list[dict[str, Any]] = [{"job": "a", "result": "planned", "age_days": 400, "max_age_days": 365}]


def test_a_job_that_is_due_is_in_the_run() -> None:
    """At a moment that is given, in a zone that is given."""
    found = annual_plan(JOBS, "22:00-05:00", 1, time_zone="Europe/Berlin", now="2026-11-28T21:30:00Z")
    assert (["a"], "2026-11-28 22:30") == (found["run"], found["now"])


def test_without_a_moment_it_is_now() -> None:
    """All hours are allowed, so it can be whenever this is run."""
    assert ["a"] == annual_plan(JOBS, "00:00-24:00", 1)["run"]


def test_options_without_sense_are_an_error_of_the_filter() -> None:
    """With the sentence that says what is right."""
    with pytest.raises(AnsibleFilterError, match="Expected annual_resync_hours like"):
        annual_plan(JOBS, "nightly", 1)
