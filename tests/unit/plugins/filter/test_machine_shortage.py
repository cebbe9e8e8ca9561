# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter takes what a command printed."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.mongodb_ops.backup.plugins.filter.machine_shortage import FilterModule

shortage = FilterModule().filters()["machine_shortage"]


def test_what_was_printed_is_read() -> None:
    """An error that the agent printed is what is short."""
    printed = '{"ok": false, "error": {"message": "a:1 said: refused", "details": {}}}'
    assert ["a:1 said: refused"] == shortage([{"job": "orders", "stdout": printed, "stderr": ""}], "orders")


def test_a_job_without_an_answer_is_a_mistake() -> None:
    """Nothing known is not enough."""
    with pytest.raises(AnsibleFilterError, match="found those of items"):
        shortage([{"job": "items", "stdout": "", "stderr": ""}], "orders")
