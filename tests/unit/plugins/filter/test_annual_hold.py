# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter takes results and options as the playbook has them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.filter.annual_hold import FilterModule

annual_hold = FilterModule().filters()["annual_hold"]


def test_it_goes_on_until_too_many_have_failed() -> None:
    """Half of the jobs is not more than half of them."""
    assert "" == annual_hold(["done", "failed"], "00:00-24:00", 50)
    assert "1 of the 2 jobs of this run have failed, more than 49 % are not borne" == annual_hold(
        ["done", "failed"], "00:00-24:00", 49
    )


def test_options_without_sense_are_an_error_of_the_filter() -> None:
    """With the sentence that says what is right."""
    with pytest.raises(AnsibleFilterError, match="Expected annual_resync_blackout_dates like"):
        annual_hold([], "00:00-24:00", 50, ["christmas"])
