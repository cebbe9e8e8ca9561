"""How long things take, and how the emulator answers where the documentation is silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass
class Timing:
    """Durations in seconds. Work that takes hours in the product takes fractions of a second here."""

    patch: float = 0.1
    """How long a GET shows the old value after an accepted PATCH of a backup configuration."""
    provision: float = 0.1
    terminate: float = 0.2
    sync_pending: float = 0.05
    sync_start: float = 0.05
    sync: float = 0.2
    sync_state: float = 0.02
    sync_stagger: float = 0.05
    """How much later each further replica set of a sharded cluster begins."""
    snapshot: float = 0.2
    """From the beginning of a snapshot to `complete: true`."""
    snapshot_interval: float | None = None
    """Between snapshots by schedule; without it the only new snapshots are those after a sync and by hand."""
    snapshot_deletion: float = 0.1
    """From the expiry of a snapshot to its deletion."""
    conf: float = 0.1
    """Between the calls by which an agent shows that it lives."""
    agent_restart: float = 0.2
    restore: float = 0.1
    event_delay: float = 0.0
    """From an event to where the list shows it."""
    nonce: float = 300.0
    rate_window: float = 60.0


@dataclass
class Switches:
    """Behaviour that differs by version or account, or is not documented. It may be changed while the emulator runs."""

    spelling: Literal["old", "new"] = "new"
    fractions: bool = False
    """Print fractions of a second in times; the product prints whole seconds."""
    clock_skew: float = 0.0
    """How many seconds the server's clock is ahead of the client's."""
    # Answers
    asynchronous: bool = True
    """A PATCH of a backup configuration is answered with 202 and takes effect later; else with 200 and at once."""
    window_created_status: int = 200
    delete_status: int = 204
    max_items_per_page: int = 500
    large_page: Literal["refuse", "clamp"] = "refuse"
    list_links: bool = True
    list_count: bool = True
    # Access
    on_access_list: bool = True
    access_list_all_writes: bool = False
    rate_limit: int | None = None
    """Requests per minute and project."""
    retry_after: Literal["none", "seconds", "date"] = "seconds"
    nonce_uses: int | None = None
    # Backups
    provisioning: bool = False
    restart_resumes: bool = False
    """STOPPED → STARTED goes on without an initial sync although the feature compatibility version is at most 4.0."""
    restart_clears_alert: bool = True
    sync_source_alone: Literal["ignore", "sync", "refuse"] = "ignore"
    terminate_spares_held: bool = False
    sync_events: bool = True
    """Whether the audit events of a sync are in the list of events."""
    events_name_clusters: bool = False
    """Whether events have clusterId and clusterName, which the documentation does not list."""
    windows_hide_alerts: bool = False
    revive_restarts_sync: bool = False
    two_factor: bool = True
    oplog_units: Literal["SECONDS", "MILLISECONDS", "MINUTES", "HOURS"] = "SECONDS"
    # Restores
    corrupt: Literal["nothing", "bytes", "hash", "cut"] = "nothing"
    """What is wrong with a download: a byte, the hash that was announced, or its end is missing."""
    restorable_ranges: bool = True
    """Whether this version knows restorableTimeRanges."""
