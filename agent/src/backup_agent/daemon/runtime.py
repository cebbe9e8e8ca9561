"""One generation at run time: its head, its slices, its capture thread and its applier."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import structlog
from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from backup_agent.capture.capture import Capture, View
from backup_agent.capture.slices import SliceWriter, remove_before
from backup_agent.config import Config
from backup_agent.errors import ResyncRequired, Transient
from backup_agent.head import LAST_SECONDS, START_SECONDS, HeadFailed, Mongod
from backup_agent.replay.apply import Applier, PositionStore
from backup_agent.replay.care import Care
from backup_agent.source.connections import SourceSet
from backup_agent.state.room import DIRECTORY, HEAD, Room
from backup_agent.times import OpTime
from backup_agent.words import words

log = structlog.get_logger(__name__)

HEAD_ATTEMPTS = 3
"""A head that fails by itself this often in a row without applying anything in between is broken."""

LONGEST_START_SECONDS = 600.0
"""A head that was killed, or took too long, is given twice the time at its next start, up to this."""


class Runtime:
    """Owns everything that runs for one generation. Start and stop only from the daemon's main thread (PDEATHSIG)."""

    def __init__(self, config: Config, sources: SourceSet, number: int, room: Room) -> None:
        """Nothing is started yet."""
        self.number, self._room = number, room
        self.directory = config.generation_directory(number)
        self._sources = sources
        socket = config.socket_directory / f"g{number:06d}.sock"
        self.head = Mongod(config.head.mongod, self.directory / "head", socket, config.head.cache_mb)
        self._writer: SliceWriter | None = None
        self._capture: Capture | None = None
        self._applier: Applier | None = None
        self._since: Timestamp | None = None
        self._failures = 0
        self._care = Care()
        self.cared_for = False
        """Whether the head died of what was written to it, and was not started since: that is written with care next time."""
        self._start_seconds: float = START_SECONDS

    @property
    def slices(self) -> Path:
        """Where the generation's slices are."""
        return self.directory / "slices"

    @property
    def view(self) -> View:
        """What capture knows."""
        return self._capture.view if self._capture else View()

    def look(self) -> None:
        """Note that what was captured so far is seen now."""
        if self._capture is not None:
            self._capture.news.clear()

    def wait_for_news(self, seconds: float) -> bool:
        """Wait until something was captured since the last look, or cannot be; or until the head has ended."""
        if self._capture is None:
            time.sleep(seconds)
            return False
        return self._capture.news.wait(seconds) or not self.head.alive

    @property
    def captures(self) -> bool:
        """Whether the thread that captures runs."""
        return self._capture is not None and self._capture.is_alive()

    @property
    def applied(self) -> OpTime | None:
        """The applied optime, or None before the first batch."""
        return self._applier.position.optime if self._applier else None

    @property
    def refused_indexes(self) -> dict[str, str] | None:
        """Why the head lacks an index, for each that it refused to build; None while nothing is applied."""
        return self._applier.refused if self._applier else None

    def start_head(self) -> None:
        """Start the head if it does not run.

        Raises Transient while it may still come up, ResyncRequired (corruption) after several attempts in a row. Those on a full
        disk do not count, nor those that took too long or were ended by a signal: that says nothing of its files.
        """
        if self.head.alive:
            return
        self._applier = None
        self._room.require(HEAD, DIRECTORY)
        try:
            self.head.start(self._start_seconds)
            self._start_seconds = START_SECONDS
            self.cared_for = False
        except (HeadFailed, OSError) as error:
            full = self._room.explain(error, HEAD, DIRECTORY)
            if full is not None:
                raise full from error
            if not isinstance(error, HeadFailed):
                raise
            raise self._judge(error) from error

    def _judge(self, error: HeadFailed) -> Transient | ResyncRequired:
        """Return what a start that failed means."""
        if error.by_itself:
            self._failures += 1
        else:
            self._start_seconds = min(2 * self._start_seconds, LONGEST_START_SECONDS)
        log.warning(
            "head did not start", reason=error.message, failures=self._failures, next_may_take=self._start_seconds
        )
        if error.by_itself and self._failures >= HEAD_ATTEMPTS:
            return ResyncRequired(
                "corruption", f"the head did not start {self._failures} times in a row: {error.message}"
            )
        return Transient(error.message)

    def begin_capture(self, start: Timestamp) -> None:
        """Capture from `start`, or from the anchor when there is one; no effect while it runs."""
        if self.captures:
            return
        if self._writer is None:
            self._writer = SliceWriter(self.slices, self.number)
        self._capture = Capture(self._sources, self._writer, start, self._room)
        self._capture.start()

    def begin_apply(self, since: Timestamp) -> None:
        """Make a new applier, from the position that is stored on the head."""
        assert self._writer is not None
        self._since = since
        self._applier = Applier(self.head.client, self._writer, self.directory, self._care, since)

    def apply(self, until: Timestamp | None = None) -> bool:
        """Apply one batch; returns whether there was anything. A head that went away is started again.

        Raises ResyncRequired or Unsupported when the job must stop, Transient when it may work in a moment.
        """
        if self._since is None:
            return False
        self.start_head()
        self._room.require(HEAD)
        try:
            if self._applier is None:
                self.begin_apply(self._since)
            assert self._applier is not None
            done = self._applier.apply_batch(until)
        except BaseException as error:
            # Whatever the error was, some units were taken and not written. So only the stored position says where to go on.
            applier, self._applier = self._applier, None
            full = self._room.explain(error, HEAD)
            if full is not None:
                raise full from error
            self._failures += self.head.failed
            if applier is not None and isinstance(error, HeadFailed) and self.head.ended(LAST_SECONDS):
                self.cared_for = applier.died(self.head.last_words(), by_itself=self.head.failed) and self.head.failed
            if isinstance(error, (HeadFailed, PyMongoError)):
                raise Transient(f"the head: {words(error)}") from error
            raise
        self._failures = 0 if done else self._failures
        return done

    @property
    def between_transactions(self) -> bool:
        """Whether the head may be snapshotted at the applied optime."""
        return self._applier is not None and self._applier.between_transactions

    def become_strict(self) -> None:
        """Store that the head is consistent."""
        assert self._applier is not None
        PositionStore(self.head.client).save(self._applier.position, strict=True)

    def trim_slices(self, keep_seconds: float, archived: Timestamp | None) -> None:
        """Delete slices that were applied longer ago than `keep_seconds` of oplog.

        Those after `archived` stay (None: there is no archive to wait for).
        """
        if self._applier is None or self._applier.position.optime.ts.time <= keep_seconds:
            return
        position = self._applier.position
        before = Timestamp(int(position.optime.ts.time - keep_seconds), 0)
        # A restart reads again from the first entry of the oldest transaction that is open.
        remove_before(self.slices, min(before, position.open_from or before, archived or before))

    def stop(self) -> None:
        """Stop capture, then the head; all that was written stays."""
        if self._capture is not None:
            self._capture.stop()
            self._capture = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._applier = None
        self.head.stop()

    def remove(self) -> None:
        """Stop everything and delete the generation's files."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
