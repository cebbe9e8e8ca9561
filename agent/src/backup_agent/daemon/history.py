"""What has ended long ago is forgotten: operations with their reports, and alerts that were closed."""

from __future__ import annotations

from backup_agent.config import Config
from backup_agent.state.store import Store
from backup_agent.times import iso_in

KEPT = 1000
"""So many of the newest are kept however old they are."""
DAY_SECONDS = 86400


def prune(config: Config, store: Store) -> None:
    """Forget what ended more than `history_days` ago, but for the newest of each kind, on which status and schedule stand.

    A report goes before its operation: after a crash between the two the operation is still there, and goes the next time.
    """
    before = iso_in(-config.history_days * DAY_SECONDS)
    old = store.old_operations(before, KEPT)
    for identifier in old:
        for kind in ("json", "html"):  # the role resync of 0.1.0 wrote the second beside the first
            (config.reports / f"{identifier}.{kind}").unlink(missing_ok=True)
    if old:
        store.forget_operations(old)
    store.forget_alerts(before, KEPT)
