"""Initial sync: a consistent copy of a live replica set, made from a secondary.

The order is what makes it right: (a) Ta, the majority optime; (b) S, the start of the oldest open transaction; (c) an oplog note
gives Tc; (d) capture begins at min(S, Ta); every document is read at Tc or later; what was captured after Tc is applied
leniently up to the consistency point, the majority optime after the last read; then indexes are built and replay is strict.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

import structlog
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure, PyMongoError

from backup_agent import failpoints
from backup_agent.errors import AccessRefused, AgentError, NoRoom, OperationFailed, ResyncRequired, Transient
from backup_agent.namespaces import Whereabouts
from backup_agent.replay.apply import PositionStore
from backup_agent.replay.capped import make_capped
from backup_agent.replay.catalogue import Catalogue
from backup_agent.replay.feature_version import take_over
from backup_agent.replay.index_model import IndexModel
from backup_agent.replay.stream import Position
from backup_agent.source.answers import UNAUTHORIZED, asked, plain
from backup_agent.source.member import MAJORITY, member_majority
from backup_agent.source.oplog import oplog_note
from backup_agent.source.topology import timestamp_of
from backup_agent.state.records import Copied, Sync
from backup_agent.state.work import Work
from backup_agent.sync.copying import Copier, Moved, Tally, describe_collections, journal, prepare
from backup_agent.times import OpTime, show
from backup_agent.values import Client
from backup_agent.words import words

log = structlog.get_logger(__name__)

MAJORITY_WAIT_SECONDS = 60
SAVING_SHARE = 20
"""The list of collections is written again after so many times the time that it took to write it."""
COPY_ATTEMPTS = 20
"""Interruptions of the copy in a row in which nothing was copied; then it is no matter of a member that went away."""


class SyncWork(Work, Protocol):
    """What an initial sync needs beyond any other step."""

    def begin_capture(self, start: Timestamp) -> None:
        """Begin capturing into the generation's slices."""

    def capture_problem(self) -> AgentError | None:
        """Return why capture cannot go on, or None."""

    def captured(self) -> Timestamp | None:
        """Return the timestamp of the last captured entry."""

    def begin_apply(self, since: Timestamp) -> None:
        """Begin applying at the stored position, leniently or strictly as it says."""

    def apply_until(self, until: Timestamp) -> bool:
        """Apply one batch of entries up to `until`; returns whether there was any."""

    def become_strict(self) -> None:
        """Store that the head is consistent: replay is strict from now on."""


class InitialSync:
    """One initial sync, which goes on where it was when it is begun again."""

    def __init__(self, work: SyncWork, sync: Sync) -> None:
        """`sync` is what the generation has recorded of it so far (empty at first)."""
        self._work, self._sync = work, sync
        self._tally = Tally()
        self._saved = self._saving = 0.0
        """When the list of collections was written last, and how long that took: it grows with their number."""

    def run(self) -> None:
        """Bring the head to a consistent copy, with indexes, and catch up.

        Raises OperationFailed when the race against the oplog is lost, Transient when a member or the head went away.
        """
        self._begin()
        self._copy()
        self._replay_to_consistency()
        self._build_indexes()
        self._catch_up()

    def _save(self) -> None:
        self._work.store.save_sync(self._work.generation, self._sync)
        self._saved = time.monotonic()

    def _save_copied(self) -> None:
        """Save which collections are copied, once the head cannot lose them any more."""
        began = time.monotonic()
        journal(self._work.head.client)
        self._save()
        self._saving = self._saved - began

    def _watch(self) -> None:
        """End early when the sync can no longer succeed."""
        self._work.alive()
        problem = self._work.capture_problem()
        if isinstance(problem, NoRoom):
            raise problem
        if isinstance(problem, ResyncRequired) and problem.cause == "oplog_rolled_over":
            raise OperationFailed(
                f"the sync lost the race against the oplog, give the source a larger one: {problem.message}"
            )
        if problem is not None and not isinstance(problem, Transient):
            raise OperationFailed(f"what is written to the source meanwhile is not captured: {problem.message}")

    # The start --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._sync.start is None:
            self._note_the_start()
        assert self._sync.start is not None
        self._work.begin_capture(self._sync.start)

    def _note_the_start(self) -> None:
        member = self._work.source_member()
        client = self._work.sources.client(member)
        ta = member_majority(client)
        if ta is None:
            raise Transient(f"{member}: expected a majority-committed optime, found none")
        oldest = oldest_open_transaction(client)
        tc = oplog_note(self._work.sources, f"backup of {self._work.config.job} begins")
        wait_for_majority(self._work, client, member, tc)
        take_over(client, self._work.head.client)
        start = min(ta, oldest) if oldest else ta
        collections = describe_collections(client)
        positions = PositionStore(self._work.head.client)
        positions.save(Position(OpTime(Timestamp(max(start.time - 1, 1), 0), -1)), strict=False)
        self._sync.start, self._sync.tc, self._sync.collections = start, tc, tuple(collections)
        self._sync.replica_set = self._work.sources.replica_set_id()
        self._sync.total_bytes = sum(c.bytes for c in collections)
        self._save()
        log.info("initial sync begins", member=member, tc=show(tc), start=show(start), collections=len(collections))

    @property
    def _tc(self) -> Timestamp:
        assert self._sync.tc is not None
        return self._sync.tc

    # The copy ---------------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        if self._sync.consistency_point is not None:
            return
        attempts = copied = 0
        while not all(c.done for c in self._sync.collections):
            member = self._work.source_member()
            attempts, copied = (attempts + 1 if copied == self._tally.documents else 1), self._tally.documents
            try:
                self._copy_from(member)
            except NoRoom:
                raise
            except (PyMongoError, Transient) as error:
                self._go_on_after(error, member, attempts)
        self._note_the_consistency_point()

    def _go_on_after(self, error: PyMongoError | Transient, member: str, attempts: int) -> None:
        """Leave a member whose copy was interrupted, unless another attempt cannot help: then OperationFailed or Transient.

        A refused login or certificate is waited for, however long it takes: the file is read again when it changes.
        """
        refused = self._work.sources.explain(member, error)
        if isinstance(refused, AccessRefused):
            raise refused from error
        if isinstance(error, OperationFailure) and error.code == UNAUTHORIZED:
            raise OperationFailed(
                f"{member}: the user may not read a collection: {words(error)}; grant it the role backup"
            ) from error
        if attempts >= COPY_ATTEMPTS:
            raise OperationFailed(
                f"the copy failed {attempts} times without getting on: {words(error)}"[:500]
            ) from error
        if not self._work.head.alive:
            raise Transient(f"the head ended during the copy: {words(error)}") from error
        self._work.sources.failed(member, error)
        log.warning("copy interrupted", member=member, reason=plain(words(error))[:300])
        self._progress(f"interrupted ({member}: {plain(words(error))[:80]}), going on")
        self._pause()

    def _pause(self) -> None:
        for _ in range(10):
            self._watch()
            time.sleep(0.1)

    def _copy_from(self, member: str) -> None:
        source = self._work.sources.client(member)
        wait_for_majority(self._work, source, member, self._tc)
        if member not in self._sync.sources:
            self._sync.sources += (member,)
            journal(self._work.head.client)  # collections may be done that were not saved yet
            self._save()
        done = [c for c in self._sync.collections if c.done]
        self._tally = Tally(sum(c.documents for c in done), sum(c.copied_bytes for c in done))
        stop = threading.Event()
        copier = Copier(source, self._work.head.client, self._tc, self._tally, stop.is_set)
        waiting = deque(c for c in self._sync.collections if not c.done)
        with ThreadPoolExecutor(self._work.config.copy_threads, "copy") as pool:
            try:
                self._copy_waiting(pool, copier, waiting)
            finally:
                stop.set()

    def _copy_waiting(self, pool: ThreadPoolExecutor, copier: Copier, waiting: deque[Copied]) -> None:
        """Copy collections, as many at once as there are threads; one that was renamed meanwhile waits again."""
        catalogue, whereabouts = Catalogue(copier.head, strict=False), Whereabouts(copier.source)
        running: dict[Future[tuple[int, int]], Copied] = {}
        while waiting or running:
            while waiting and len(running) < self._work.config.copy_threads:
                collection = waiting.popleft()
                if prepare(copier.source, copier.head, catalogue, collection, whereabouts):
                    running[pool.submit(copier.copy, collection.namespace, collection.uuid)] = collection
                else:
                    self._done(collection, 0, 0)
            finished, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            self._progress()
            self._watch()
            for future in finished:
                self._finished(running.pop(future), future, waiting)

    def _finished(self, collection: Copied, future: Future[tuple[int, int]], waiting: deque[Copied]) -> None:
        try:
            documents, size = future.result()
        except Moved:
            waiting.append(collection)
            return
        self._done(collection, documents, size)
        failpoints.reach("copy.collection_done")

    def _done(self, collection: Copied, documents: int, size: int) -> None:
        collection.done, collection.documents, collection.copied_bytes = True, documents, size
        # What is not saved is copied again after a crash.
        if time.monotonic() - self._saved > SAVING_SHARE * self._saving:
            self._save_copied()

    def _progress(self, text: str | None = None) -> None:
        done = sum(c.done for c in self._sync.collections)
        shown = text or f"{done} of {len(self._sync.collections)} collections, {self._tally.documents} documents"
        total = max(self._sync.total_bytes, self._tally.bytes)
        self._work.tick("copy", self._tally.bytes, total, "bytes", shown)

    def _note_the_consistency_point(self) -> None:
        """A majority-acknowledged note after the last read: later than whatever any source had committed when it was read."""
        point = oplog_note(self._work.sources, f"backup of {self._work.config.job} is copied")
        self._sync.consistency_point = point
        self._sync.documents = sum(c.documents for c in self._sync.collections)
        self._sync.bytes = sum(c.copied_bytes for c in self._sync.collections)
        self._save_copied()
        failpoints.reach("copy.done")

    # Replay and indexes -----------------------------------------------------------------------------------------------

    def _replay_to_consistency(self) -> None:
        if self._sync.indexes_built:
            return
        point = self._sync.consistency_point
        assert point is not None
        self._work.begin_apply(self._tc)
        first = self._tc.time
        while (at := self._work.applied()) is None or at.ts < point:
            self._watch()
            captured = self._work.captured()
            if not self._work.apply_until(point):
                if captured is not None and captured > point:
                    break  # the note itself was lost in a failover: all that came before it has been applied
                time.sleep(0.05)  # capture has not come that far
            reached = max(0, (at.ts.time if at else first) - first)
            self._work.tick("replay", reached, max(1, point.time - first), "seconds of oplog")

    def _build_indexes(self) -> None:
        if self._sync.indexes_built:
            self._work.begin_apply(self._tc)
            return
        head = self._work.head.client
        make_capped(head, IndexModel(head))
        self._build_all(Catalogue(head, strict=True))
        self._work.become_strict()
        self._sync.indexes_built = True
        self._save()
        self._work.begin_apply(self._tc)

    def _build_all(self, catalogue: Catalogue) -> None:
        """Build the indexes of several collections at once: the server builds those of one in one thread."""
        wanted = catalogue.missing_indexes()
        total, built = sum(len(specs) for _, specs in wanted), 0
        waiting = deque(wanted)
        running: dict[Future[None], tuple[str | None, int]] = {}
        with ThreadPoolExecutor(self._work.config.copy_threads, "index") as pool:
            while waiting or running:
                while waiting and len(running) < self._work.config.copy_threads:
                    failpoints.reach("index.build")
                    ui, specs = waiting.popleft()
                    running[pool.submit(catalogue.build, ui, specs, True)] = catalogue.name(ui), len(specs)
                self._work.tick(
                    "indexes", built, total, "indexes", ", ".join(str(name) for name, _ in running.values())
                )
                finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    built += running.pop(future)[1]
                    future.result()

    def _catch_up(self) -> None:
        """Apply until the head is where capture is, but for a few seconds."""
        first = self._work.applied()
        failpoints.reach("copy.catch_up")
        while True:
            self._watch()
            self._work.apply_some()
            applied, captured = self._work.applied(), self._work.captured()
            if applied is None or captured is None or first is None:
                continue
            done, total = applied.ts.time - first.ts.time, captured.time - first.ts.time
            self._work.tick("catch-up", max(0, done), max(1, total), "seconds of oplog")
            if total - done <= 2:
                return


def oldest_open_transaction(client: Client) -> Timestamp | None:
    """Return the start of the oldest transaction that is prepared or open, in the member's majority-committed data.

    Asked after `member_majority`, that data is not older than what that returned. The server takes no time with a read of
    this collection (mongodump looks there the same way).
    """
    table = client.config.get_collection("transactions", read_concern=MAJORITY)
    query = {"state": {"$in": ["prepared", "inProgress"]}}
    found = asked("config.transactions", lambda: table.find_one(query, sort=[("startOpTime.ts", 1)]))
    return timestamp_of(found.get("startOpTime")) if found else None


def wait_for_majority(work: Work, client: Client, member: str, after: Timestamp) -> None:
    """Wait until a member's majority-committed data is not older than `after`. Raises Transient when that takes too long."""
    deadline = time.monotonic() + MAJORITY_WAIT_SECONDS
    while True:
        found = member_majority(client)
        if found is not None and found >= after:
            return
        if time.monotonic() > deadline:
            raise Transient(f"{member}: expected majority-committed data of {show(after)}, found {show(found)}")
        work.alive()
        time.sleep(0.1)
