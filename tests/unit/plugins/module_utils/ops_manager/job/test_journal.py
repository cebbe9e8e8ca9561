# Copyright: the mongodb_ops.backup contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept in the description of a maintenance window."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from ansible_collections.mongodb_ops.backup.plugins.module_utils.errors import AskOperator
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job import journal as journals
from ansible_collections.mongodb_ops.backup.plugins.module_utils.ops_manager.job.journal import Held, Journal

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
JOURNAL = Journal(
    journals.RESYNC,
    "resync-20260101T120000Z-restart",
    "c1",
    "alice",
    "alert of {Monday}",
    "2026-01-01T12:00:00Z",
    method="restart",
    required=True,
    held=Held("s1", "2026-02-01T00:00:00Z"),
    alerts=("a1", "a2"),
)


def test_what_was_written_is_read() -> None:
    """A second run knows all that the first one knew, and the window beside it."""
    assert replace(JOURNAL, window="w1", ends=NOON) == journals.read(JOURNAL.description(), "w1", NOON)


def test_a_long_reason_is_cut() -> None:
    """How much a description holds is documented nowhere, so it stays short."""
    written = replace(JOURNAL, reason="x" * 5000).description()

    assert len(written) < 1000
    assert journals.read(written, "w1", NOON).reason == "x" * 200


@pytest.mark.parametrize("broken", ["{}", "no JSON", '{"kind":"resync"}', "[]"])
def test_an_edited_description_is_no_guess(broken: str) -> None:
    """The error names the window that was changed by hand; nothing is decided on half of a journal."""
    with pytest.raises(AskOperator, match="window w1") as caught:
        journals.read(journals.PREFIX + broken, "w1", NOON)

    assert "journal_unreadable" == caught.value.code


@pytest.mark.parametrize("description", [None, "", "weekly patching", "mongodb_ops.backups"])
def test_the_windows_of_others_are_not_ours(description: str | None) -> None:
    """Only what begins as we begin it is read."""
    assert not journals.is_ours(description)


@pytest.mark.parametrize("required", [True, False])
def test_an_id_says_when_and_how(required: bool) -> None:
    """When the window is gone, the id is all that is left of an operation."""
    found = journals.from_id(journals.new_id(NOON, "hand_off", required), "c1")

    assert found is not None
    assert ("2026-01-01T12:00:00Z", "hand_off", required) == (found.began, found.method, found.required)


def test_an_id_of_another_provider_is_refused() -> None:
    """The ids of the embedded agent have the same first word."""
    assert journals.from_id("resync-20260101T120000-9", "c1") is None
