"""A server that was not tested is said to be so."""

from __future__ import annotations

import pytest

from backup_agent.capture.capture import View
from backup_agent.daemon.status import live
from backup_agent.source.tested import warnings
from backup_agent.state.records import Agent


@pytest.mark.parametrize("version", ["5.0.4", "6.0.5", "6.0.27"])
def test_a_tested_server_needs_no_words(version: str) -> None:
    """The majors that the suite is run on are not warned of."""
    assert () == warnings(version)
    assert () == live(Agent(), 1, View(version=version), None).warnings


@pytest.mark.parametrize("version", ["4.4.29", "6.1.0", "7.0.14", "8.0.1"])
def test_another_major_is_named_with_those_that_were_tested(version: str) -> None:
    """The status says which version it is and which ones were tested."""
    (text,) = live(Agent(), 1, View(version=version), None).warnings
    assert f"MongoDB {version}," in text
    assert "tested: 5.0, 6.0" in text


def test_nothing_is_said_of_a_version_that_is_not_known() -> None:
    """Before the source has answered there is nothing to warn of."""
    assert () == live(Agent(), None, View(), None).warnings
