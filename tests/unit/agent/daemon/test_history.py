"""What has ended long ago is forgotten, with its report."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from backup_agent.config import Config
from backup_agent.daemon import history
from backup_agent.daemon.history import prune
from backup_agent.errors import NotFound
from backup_agent.state.store import Store

LONG_AGO = "2020-01-01T00:00:00Z"


def ended(config: Config, store: Store, at: str | None = None) -> str:
    """Record a validation that has failed, with its report; returns its id."""
    operation, _ = store.start_operation("validation", "me", "why")
    store.finish_operation(operation.id, "failed")
    if at is not None:
        store.update_operation(operation.id, finished_at=at)
    config.reports.mkdir(exist_ok=True)
    for kind in ("json", "html"):
        (config.reports / f"{operation.id}.{kind}").write_text("{}")
    return operation.id


def test_old_operations_go_with_their_reports(config: Config, store: Store) -> None:
    """Those of this year stay, and so do the newest, however old they are."""
    old, new = ended(config, store, LONG_AGO), ended(config, store)
    prune(config, store)
    assert store.operation(old)
    with patch.object(history, "KEPT", 0):
        prune(config, store)
    with pytest.raises(NotFound):
        store.operation(old)
    assert store.operation(new)
    assert [f"{new}.html", f"{new}.json"] == sorted(path.name for path in config.reports.iterdir())


def test_an_operation_outlives_its_report_after_a_crash(config: Config, store: Store) -> None:
    """The report goes first: what is left of a pair is found again the next time."""
    old, _new = ended(config, store, LONG_AGO), ended(config, store)
    with patch.object(history, "KEPT", 0):
        with patch.object(Store, "forget_operations", side_effect=OSError), pytest.raises(OSError):  # noqa: PT011
            prune(config, store)
        assert store.operation(old)
        prune(config, store)
    with pytest.raises(NotFound):
        store.operation(old)
