"""Capture: tail a secondary's majority-committed oplog and write it durably to slices.

Nothing that was not majority-committed is read, so nothing that was captured can be rolled back. On every connection the
member must still have exactly the anchor (see `joining`). A member that fails, falls silent or lacks the anchor is left for
another one, and until one has shown the anchor there is a `problem`: that capture waits is never hidden.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import structlog
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from backup_agent import failpoints
from backup_agent.capture.joining import Wanted, require
from backup_agent.capture.slices import SliceWriter
from backup_agent.errors import AccessRefused, AgentError, NoRoom, ResyncRequired, Transient
from backup_agent.raw import pages
from backup_agent.raw.memory import PIECES
from backup_agent.source import tested
from backup_agent.source.answers import plain
from backup_agent.source.connections import SourceSet
from backup_agent.source.member import member_state
from backup_agent.source.oplog import edge_entry
from backup_agent.source.topology import Topology
from backup_agent.state.room import SLICES, Room
from backup_agent.times import show
from backup_agent.values import RAW, Client
from backup_agent.words import words

log = structlog.get_logger(__name__)

AWAIT_SECONDS = 4.0
"""How long a member waits for a new entry before it says that there is none; always well before it counts as silent."""
LOOK_SECONDS = 2
"""How often the state of the set is asked for; of a source at rest as often as its member says that there is nothing."""
SMALL_PAGE_BYTES = 64 * 1024
SMALL_PAGE_PAUSE_SECONDS = 0.05
"""A trickle of entries is gathered for this long, so that it does not cost an fsync for each."""
RETRY_SECONDS = 1.0
STOP_SECONDS = 30.0
"""How often it is logged that capture does not end."""
STOP_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class View:
    """What capture knows at this moment; replaced as a whole, so that it can be read by any thread."""

    member: str | None = None
    captured: Timestamp | None = None
    majority: Timestamp | None = None
    primary_last_write: Timestamp | None = None
    oldest: Timestamp | None = None
    seen_at: float | None = None
    """`time.monotonic()` of the last answer of the source."""
    problem: AgentError | None = None
    """Why nothing is captured at this moment; None while a member that has the anchor is followed."""
    version: str | None = None
    """The version of MongoDB that the followed member runs."""


class Capture(threading.Thread):
    """The thread that captures. It ends by `stop`, or by itself when the anchor is lost for good."""

    def __init__(self, sources: SourceSet, writer: SliceWriter, start: Timestamp, room: Room) -> None:
        """`start` is the first entry to capture when the writer has none yet."""
        super().__init__(name="capture", daemon=True)
        self._sources, self._writer, self._start, self._room = sources, writer, start, room
        self._halt = threading.Event()
        self._awaits = False
        """Whether it waits for a page. What comes after `stop` is not written."""
        self.news = threading.Event()
        """Set when something was captured, or cannot be; cleared by whoever looks."""
        self._said: dict[str | None, str] = {}
        self.view = View(captured=writer.anchor.optime.ts if writer.anchor else None)
        """What capture knows now; set by this thread alone."""

    def _set(self, **fields: object) -> None:
        self.view = replace(self.view, **fields)  # type: ignore[arg-type]
        if not fields.keys().isdisjoint(("captured", "problem")):
            self.news.set()

    def stop(self) -> None:
        """End the thread. Returns when it writes no more, however long its disk takes: it may be in the middle of a write.

        One that waits for its member ends by itself when that has answered.
        """
        self._halt.set()
        said = time.monotonic()
        while self.is_alive() and not self._awaits:
            self.join(timeout=STOP_LOOK_SECONDS)
            if time.monotonic() - said > STOP_SECONDS:
                said = time.monotonic()
                log.warning("capture has not ended yet", member=self.view.member, waits_for="its disk or its member")

    def run(self) -> None:
        """Follow one member after the other until stopped."""
        while not self._halt.is_set():
            member = None
            try:
                member = self._choose()
                self._set(member=member)
                self._follow(member)
            except ResyncRequired as error:
                self._set(problem=error)
                return
            except Exception as error:  # noqa: BLE001 - a thread that ended unseen would look like a source at rest
                if self._halt.is_set():
                    return
                problem = self._meaning(member, error)
                self._say(member, problem)
                self._set(problem=problem)
                if member is not None and not isinstance(problem, NoRoom):
                    self._sources.failed(member, error)
                self._halt.wait(RETRY_SECONDS)

    def _say(self, member: str | None, problem: AgentError) -> None:
        """Log why nothing is captured: once for each member, however often that is tried again."""
        if self._said.get(member) != problem.message:
            log.warning("capture waits", member=member, reason=problem.message)
        self._said[member] = problem.message

    def _meaning(self, member: str | None, error: Exception) -> AgentError:
        full = self._room.explain(error, SLICES)
        if full is not None:
            return NoRoom(full.message, SLICES, **full.details)
        refused = self._sources.explain(member, error) if member is not None else None
        if refused is not None:
            return refused
        if isinstance(error, AccessRefused) and isinstance(error.__cause__, OperationFailure):
            return Transient(f"{member}: refuses the login, and is neither primary nor secondary: it may know no users")
        return error if isinstance(error, AgentError) else Transient(f"capture: {plain(words(error))[:300]}")

    def _choose(self) -> str:
        topology = self._look(None)
        chosen = topology.choose_for_oplog()
        if chosen is None:
            raise Transient(f"expected a secondary to read the oplog from, found none: {topology.why()}")
        return chosen.member

    def _require_fit(self, member: str, topology: Topology) -> None:
        """Leave a member that has fallen behind, or is no longer in the set, when there is a better one."""
        facts = next((m for m in topology.members if m.member == member), None)
        chosen = topology.choose()
        if chosen is not None and (facts is None or not facts.eligible):
            raise Transient(f"{member}: {facts.reason if facts else 'not in the set'}; going on with {chosen.member}")

    def _look(self, client: Client | None) -> Topology:
        """Note the times that lag and headroom are counted from."""
        topology = self._sources.topology()
        fields: dict[str, object] = {"majority": topology.majority, "primary_last_write": topology.primary_last_write}
        if client is not None:
            oldest = edge_entry(client, newest=False)
            fields["oldest"] = oldest["ts"] if oldest else None
        self._set(seen_at=time.monotonic(), **fields)
        return topology

    def _follow(self, member: str) -> None:
        client = self._sources.prompt(member)
        anchor = self._writer.anchor
        wanted = Wanted(anchor.optime.ts, anchor) if anchor else Wanted(self._start)
        if self.view.problem is None:  # the reason why another one was left says more
            self._set(problem=Transient(f"expected {wanted} from {member}, it has not answered yet"))
        self._note_version(client)
        await_seconds = min(AWAIT_SECONDS, self._sources.answer_seconds / 2)
        with pages.opened(client, "local", _tail(wanted.ts), int(await_seconds * 1000)) as cursor:
            self._follow_cursor(member, client, wanted, cursor)

    def _follow_cursor(self, member: str, client: Client, wanted: Wanted, cursor: pages.Cursor) -> None:
        joined, looked = False, 0.0
        while not self._halt.is_set():
            with PIECES.piece(cursor.expected_bytes):
                page = self._next_page(cursor)
                if page:
                    self._append(page if joined else self._join(page, member, wanted))
                    self._set(problem=None)
                    joined = True
                del page  # or it would be held while the next one is fetched
            if not cursor.alive:
                if not joined:  # the server gives no cursor where the oplog ends before the wanted entry
                    require(self._sources, wanted, member, self._halt.wait)
                raise Transient(f"the oplog cursor on {member} ended")
            if time.monotonic() - looked > LOOK_SECONDS:
                self._look_around(member, client)
                looked = time.monotonic()
                if not joined:
                    require(self._sources, wanted, member, self._halt.wait)
            if 0 < cursor.page_bytes < SMALL_PAGE_BYTES:
                self._halt.wait(SMALL_PAGE_PAUSE_SECONDS)

    def _next_page(self, cursor: pages.Cursor) -> list[bytes]:
        self._awaits = True
        try:
            return cursor.next_page()
        finally:
            self._awaits = False

    def _note_version(self, client: Client) -> None:
        version = str(client.server_info()["version"])
        for text in tested.warnings(version) if version != self.view.version else ():
            log.warning("untested server", reason=text)
        self._set(version=version)

    def _look_around(self, member: str, client: Client) -> None:
        if member_state(client) != "SECONDARY":
            raise Transient(f"{member} is no longer a secondary; choosing another member")
        self._require_fit(member, self._look(client))

    def _join(self, page: list[bytes], member: str, wanted: Wanted) -> list[bytes]:
        """Check that the first page begins with the wanted entry, and take the anchor off: it has been captured."""
        first = RawBSONDocument(page[0], RAW)
        if not wanted.is_(first):
            require(self._sources, wanted, member, self._halt.wait)
            raise Transient(f"{member}: expected its oplog to begin with {wanted}, found {show(first['ts'])}")
        self._sources.works(member)
        log.info("capture follows", member=member, entry=show(wanted.ts))
        self._said.clear()
        return page[1:] if wanted.anchor else page

    def _append(self, page: list[bytes]) -> None:
        if not page or self._halt.is_set():
            return
        first, last = RawBSONDocument(page[0], RAW), RawBSONDocument(page[-1], RAW)
        failpoints.reach("capture.write")
        self._room.require(SLICES)
        self._writer.append(b"".join(page), first, last)
        failpoints.reach("capture.written")
        self._set(captured=last["ts"])


def _tail(since: Timestamp) -> dict[str, Any]:
    """Return the command that follows the majority-committed oplog from an entry on, that one included."""
    return {
        "find": "oplog.rs",
        "filter": {"ts": {"$gte": since}},
        "tailable": True,
        "awaitData": True,
        "readConcern": {"level": "majority"},
    }
