"""What `watch` found, as lines for people and the journal, and as metrics for Prometheus."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from backup_agent.times import unix_seconds
from backup_agent.values import Json, printable
from backup_agent.watch.look import CRITICAL, OK, WARNING, Finding

PRIORITIES = {OK: "<6>", WARNING: "<4>", CRITICAL: "<2>"}
"""The levels of syslog, as sd-daemon(3) reads them at the beginning of a line."""


JOB = ("job", "backup")
"""Prometheus itself uses the label `job` and renames this one; `backup` stays, as in the metrics of the check."""


def is_journal(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether a descriptor leads to the journal, as $JOURNAL_STREAM (device:inode) tells, see systemd.exec(5)."""
    named = environment.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def lines(value: Json, journal: bool) -> list[str]:
    """Return a line for each job and each other problem of what `watch` answers; for the journal, with its priority."""
    texts = [(found["level"], f"{found['job']}: {found['text']}") for found in value["jobs"]]
    texts += [(WARNING, problem) for problem in value["problems"]]
    return [f"{PRIORITIES[level] if journal else ''}{printable(' '.join(text.split()))}" for level, text in texts]


def metrics(findings: Sequence[Finding]) -> bytes:
    """Return the metrics in the text format. What is not known is left out; an agent that is not known to be up is down."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, labels: Sequence[str] = JOB) -> Gauge:
        return Gauge(f"mongodb_backup_{name}", text, labels, registry=registry)

    up = gauge("agent_up", "Whether the agent of the job runs")
    under = gauge("maintenance", "1 while maintenance of the job is recorded", (*JOB, "owner"))
    latest = gauge("latest_safe_restart_timestamp_seconds", "By when an agent that is down has to run again")
    left = gauge("latest_safe_restart_left_seconds", "How long it was until then when the watch ran")
    ends = gauge("certificate_expiry_timestamp_seconds", "When the first certificate of a file ends", (*JOB, "file"))
    gauge("watch_timestamp_seconds", "When the watch ran", ()).set(time.time())
    for found in findings:
        up.labels(found.job, found.job).set(bool(found.alive))
        for one in found.certificates:
            ends.labels(found.job, found.job, one.file).set(unix_seconds(one.expires_at))
        if found.maintenance is not None:
            under.labels(found.job, found.job, found.maintenance.owner).set(1)
        if found.latest_safe_restart is not None:
            seconds = unix_seconds(found.latest_safe_restart)
            latest.labels(found.job, found.job).set(seconds)
            left.labels(found.job, found.job).set(seconds - time.time())
    return generate_latest(registry)


def write(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, for everybody to read.

    Its temporary name does not end like it: node_exporter reads whatever ends in `.prom`.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
