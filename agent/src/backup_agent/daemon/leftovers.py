"""What a daemon that was killed has left: copies of the data that nobody uses, and that are no backup."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import structlog

from backup_agent.config import Config
from backup_agent.sync.preflight import TRIAL

ENDING_SECONDS = 5.0
"""How long a mongod that lost its agent may take to end; until then it may write into its directory."""

log = structlog.get_logger(__name__)


def clear(config: Config) -> None:
    """Remove the copies of proofs and of trials. A proof that goes on restores its snapshot again anyway."""
    for path in (config.scratch, *config.directory.glob(f"{TRIAL}*")):
        if path.is_symlink():
            path.unlink()
        _remove(path)


def _remove(path: Path) -> None:
    deadline = time.monotonic() + ENDING_SECONDS
    while path.exists():
        shutil.rmtree(path, ignore_errors=True)
        if time.monotonic() > deadline:
            log.warning("a copy was not removed", path=str(path))
            return
        time.sleep(0.05)
