"""Capture: tail a secondary's majority-committed oplog and write it durably to slices.

Nothing that was not majority-committed is read, so nothing that was captured can be rolled back. On every connection the
member must still have exactly the anchor. That it is lost for good is decided only with an answer from every member that has
data; one that does not answer makes it unknown, and capture waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

import bson
import structlog
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import CursorType

from backup_agent import failpoints, tested
from backup_agent.errors import AgentError, NoRoom, ResyncRequired, Transient
from backup_agent.room import SLICES, Room
from backup_agent.slices import Anchor, SliceWriter
from backup_agent.source import (
    MAJORITY,
    RAW,
    Client,
    SourceSet,
    Topology,
    asked,
    edge_entry,
    entry_at,
    member_state,
    raw_collection,
)
from backup_agent.times import OpTime, show

log = structlog.get_logger(__name__)

AWAIT_MILLISECONDS = 500
LOOK_SECONDS = 2
SMALL_BATCH_BYTES = 64 * 1024
SMALL_BATCH_PAUSE_SECONDS = 0.05
"""A trickle of entries is gathered for this long, so that it does not cost an fsync for each."""
RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class View:
    """What capture knows at this moment; replaced as a whole, so that it can be read by any thread."""

    member: str | None = None
    captured: OpTime | None = None
    majority: OpTime | None = None
    primary_last_write: OpTime | None = None
    oldest: OpTime | None = None
    seen_at: float | None = None
    """`time.monotonic()` of the last answer of the source."""
    problem: AgentError | None = None
    version: str | None = None
    """The version of MongoDB that the followed member runs."""


def decide(found: Mapping[str, str]) -> str:
    """Decide from each member's answer about the anchor. Pure.

    The answers are `has`, `behind`, `rolled_over`, `diverged`, `unreachable`. The decision is `continue` when a member has the
    anchor, `wait` when one may still get it or did not answer, else `oplog_rolled_over`, or `corruption` when a member that
    reaches back far enough does not have it.
    """
    answers = set(found.values())
    if "has" in answers:
        return "continue"
    if not answers or answers & {"behind", "unreachable"}:
        return "wait"
    return "corruption" if "diverged" in answers else "oplog_rolled_over"


def answer_about(client: Client, anchor: Anchor) -> str:
    """Ask one member about the anchor; see `decide`."""
    try:
        if member_state(client) == "OTHER":
            return "unreachable"
        oldest, newest = edge_entry(client, newest=False), edge_entry(client, newest=True)
        if oldest is None or newest is None or newest["ts"] < anchor.optime.ts:
            return "behind"
        exact = entry_at(client, anchor.optime.ts)
    except AgentError:
        return "unreachable"
    if exact is not None:
        return "has" if Anchor.of(exact) == anchor else "diverged"
    return "rolled_over" if oldest["ts"] > anchor.optime.ts else "diverged"


class Capture(threading.Thread):
    """The thread that captures. It ends by `stop`, or by itself when the anchor is lost for good."""

    def __init__(self, sources: SourceSet, writer: SliceWriter, start: Timestamp, room: Room) -> None:
        """`start` is the first entry to capture when the writer has none yet."""
        super().__init__(name="capture", daemon=True)
        self._sources, self._writer, self._start, self._room = sources, writer, start, room
        self._halt = threading.Event()
        self._avoid: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._view = View(captured=writer.anchor.optime if writer.anchor else None)

    @property
    def view(self) -> View:
        """What capture knows now."""
        with self._lock:
            return self._view

    def _set(self, **fields: object) -> None:
        with self._lock:
            self._view = replace(self._view, **fields)  # type: ignore[arg-type]

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._halt.set()
        if self.is_alive():
            self.join(timeout=30)

    def run(self) -> None:
        """Follow one member after the other until stopped."""
        while not self._halt.is_set():
            try:
                member = self._choose()
                self._set(member=member)
                self._follow(member)
            except ResyncRequired as error:
                self._set(problem=error)
                return
            except Exception as error:  # noqa: BLE001 - a thread that ended unseen would look like a source at rest
                problem = self._meaning(error)
                log.warning("capture waits", reason=problem.message)
                self._set(problem=problem)
                self._halt.wait(RETRY_SECONDS)

    def _meaning(self, error: Exception) -> AgentError:
        full = self._room.explain(error, SLICES)
        if full is not None:
            return NoRoom(full.message, SLICES, **full.details)
        return error if isinstance(error, AgentError) else Transient(f"capture: {str(error)[:300]}")

    def _choose(self) -> str:
        topology = self._look(self._sources, None)
        chosen = topology.choose(self._avoid)
        if chosen is None:
            raise Transient(f"expected a secondary to read the oplog from, found none: {topology.why()}")
        return chosen.member

    def _require_fit(self, member: str, topology: Topology) -> None:
        """Leave a member that has fallen behind when there is a better one."""
        facts = next((m for m in topology.members if m.member == member), None)
        chosen = topology.choose(self._avoid)
        if chosen is not None and (facts is None or not facts.eligible):
            raise Transient(f"{member}: {facts.reason if facts else 'not in the set'}; going on with {chosen.member}")

    def _look(self, sources: SourceSet, client: Client | None) -> Topology:
        """Note the optimes that lag and headroom are counted from."""
        topology = sources.topology()
        fields: dict[str, object] = {"majority": topology.majority, "primary_last_write": topology.primary_optime}
        if client is not None:
            oldest = edge_entry(client, newest=False)
            fields["oldest"] = OpTime(oldest["ts"], oldest.get("t", -1)) if oldest else None
        self._set(seen_at=time.monotonic(), **fields)
        return topology

    def _follow(self, member: str) -> None:
        client = self._sources.client(member)
        self._note_version(client)
        anchor = self._writer.anchor
        since = anchor.optime.ts if anchor else self._start
        oplog = raw_collection(client, "local.oplog.rs", MAJORITY)
        cursor = oplog.find_raw_batches({"ts": {"$gte": since}}, cursor_type=CursorType.TAILABLE_AWAIT)
        cursor.max_await_time_ms(AWAIT_MILLISECONDS)
        joined, looked = False, 0.0
        while not self._halt.is_set():
            batch = cast(bytes, next(cursor, b""))
            if batch:
                if not joined:
                    batch = self._join(batch, member)
                    joined = True
                self._append(batch)
            elif not cursor.alive:
                raise Transient(f"the oplog cursor on {member} ended")
            if time.monotonic() - looked > LOOK_SECONDS:
                if member_state(client) != "SECONDARY":
                    raise Transient(f"{member} is no longer a secondary; choosing another member")
                self._require_fit(member, self._look(self._sources, client))
                looked = time.monotonic()
                if not joined:
                    self._require_anchor()
            if len(batch) < SMALL_BATCH_BYTES:
                self._halt.wait(SMALL_BATCH_PAUSE_SECONDS)

    def _note_version(self, client: Client) -> None:
        version = str(client.server_info()["version"])
        if version != self.view.version and (text := tested.warning(version)) is not None:
            log.warning("untested server", reason=text)
        self._set(version=version)

    def _join(self, batch: bytes, member: str) -> bytes:
        """Check that the first batch begins with the anchor, and take it off."""
        entries = bson.decode_all(batch, RAW)
        anchor = self._writer.anchor
        if anchor is None:
            if entries[0]["ts"] != self._start:
                raise ResyncRequired(
                    "oplog_rolled_over",
                    f"{member}: expected the entry of {show(self._start)}, it has already been overwritten",
                )
            return batch
        if Anchor.of(entries[0]) != anchor:
            self._require_anchor()
            self._avoid |= {member}
            raise Transient(f"{member} does not have the anchor {show(anchor.optime.ts)}, but another member has")
        self._avoid = frozenset()
        log.info("capture follows", member=member, anchor=show(anchor.optime.ts))
        return batch[len(entries[0].raw) :]

    def _append(self, batch: bytes) -> None:
        if not batch:
            return
        entries: list[RawBSONDocument] = bson.decode_all(batch, RAW)
        failpoints.reach("capture.write")
        self._room.require(SLICES)
        self._writer.append(batch, entries[0], entries[-1])
        failpoints.reach("capture.written")
        self._set(captured=self._writer.anchor.optime if self._writer.anchor else None, problem=None)

    def _require_anchor(self) -> None:
        """Ask every member about the anchor.

        Raises ResyncRequired when it is lost on all of them, Transient when that cannot be told yet.
        """
        anchor = self._writer.anchor
        if anchor is None:
            return
        found = {member: answer_about(self._sources.client(member), anchor) for member in self._sources.data_bearing()}
        decision = decide(found)
        if decision == "continue":
            return
        answers = ", ".join(f"{member}: {answer}" for member, answer in sorted(found.items()))
        if decision == "wait":
            raise Transient(f"expected a member with the anchor {show(anchor.optime.ts)}, found none yet ({answers})")
        what = "has been overwritten on" if decision == "oplog_rolled_over" else "is not what it was on"
        raise ResyncRequired(
            decision,
            f"the last captured entry, {show(anchor.optime.ts)}, {what} every member ({answers}); start a resync",
            members=found,
            captured=anchor.optime.as_json(),
        )


def oplog_note(sources: SourceSet, text: str) -> OpTime:
    """Write a note into the source's oplog and return its optime; it needs the role `backup` and a primary."""
    client = sources.seeds()
    reply = asked(
        "appendOplogNote",
        lambda: client.admin.command(
            "appendOplogNote", 1, data={"msg": text}, writeConcern={"w": "majority", "wtimeout": 30_000}
        ),
    )
    if "writeConcernError" in reply:  # the driver leaves it to the caller of a plain command
        raise Transient(f"expected a note that a majority has, found: {reply['writeConcernError'].get('errmsg')}")
    return OpTime(reply["operationTime"], -1)
