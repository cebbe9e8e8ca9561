"""The two sides of a validation: a member of the source, and the head, which stands still at an optime T."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bson.binary import Binary
from pymongo.errors import OperationFailure, PyMongoError

from backup_agent.errors import Transient
from backup_agent.head import alive_or_transient
from backup_agent.source.answers import asked, is_refusal, meaning
from backup_agent.state.work import Work
from backup_agent.times import OpTime, show
from backup_agent.values import REPLIES, Client
from backup_agent.words import words

MOST_SECONDS = 60.0
HISTORY_SHARE = 0.6
"""A range may use this share of the member's snapshot history; the rest is for the delay of T itself."""

WORK_SHARE = 0.4
"""A range is sized to take this share of what it may, and a new one is begun at the same T only within the same share."""

DEFAULT_HISTORY_SECONDS = 300
ATTEMPTS = 10
CATCH_UP_SECONDS = 120
WAIT_SECONDS = 0.5


@dataclass(frozen=True)
class Pair:
    """A collection on both sides, each with its own UUID."""

    namespace: str
    source: Binary | str
    head: Binary | str
    natural: bool


def budget_seconds(history_seconds: float) -> float:
    """Return how long a range may take at most, from a member's snapshot history. Pure."""
    return min(MOST_SECONDS, HISTORY_SHARE * history_seconds)


class Sides:
    """The member that is read from, and the optime at which the head stands."""

    def __init__(self, work: Work) -> None:
        """Choose a member. Raises Transient when there is none after some time."""
        self.work = work
        self.member = ""
        self.source: Client
        self.budget = 0.0
        """How long a range may take at most, in seconds."""
        self._at: OpTime | None = None
        self._at_since = 0.0
        self.choose_member()

    @property
    def head(self) -> Client:
        """The head's client."""
        return self.work.head.client

    def choose_member(self) -> None:
        """Take a member; raises Transient when there is none after some time."""
        for attempt in range(ATTEMPTS):
            try:
                self.member = self.work.source_member()
                self.source = self.work.sources.client(self.member)
                self.budget = budget_seconds(_history(self.source))
                return
            except Transient:
                if attempt == ATTEMPTS - 1:
                    raise
                self.pause()

    def pause(self) -> None:
        """Wait a little, with the head going on."""
        self.release()
        self.work.alive()
        time.sleep(WAIT_SECONDS)

    def stand(self) -> OpTime:
        """Return the optime at which the head stands; a new one when the last is too old for another range."""
        if self._at is not None and time.monotonic() - self._at_since > WORK_SHARE * self.budget:
            self.release()
        if self._at is None:
            self._at = self.work.pause_at_latest()
            self._at_since = time.monotonic()
        return self._at

    def release(self) -> None:
        """Let the head go on."""
        self._at = None
        self.work.apply_some()

    def lost(self, error: PyMongoError | None = None) -> None:
        """Leave a member that did not answer: the set calls it healthy until a heartbeat is missed."""
        self.work.sources.failed(self.member, error)
        self.pause()
        self.choose_member()

    def recover(self, error: PyMongoError) -> None:
        """Get ready for another attempt after an error. Raises Transient when the head ended or the login is refused."""
        alive_or_transient(self.work.head)
        if not isinstance(error, OperationFailure):
            self.lost(error)
            return
        if is_refusal(error):
            raise meaning("validation", error)
        self.pause()
        self.choose_member()

    def catch_up(self) -> None:
        """Let the head reach what the member has applied by now, which its catalogue may show. Raises Transient."""
        status = asked("replSetGetStatus", lambda: self.source.admin.command("replSetGetStatus", codec_options=REPLIES))
        wanted = status["optimes"]["appliedOpTime"]["ts"]
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while self.stand().ts < wanted:
            if time.monotonic() > deadline:
                raise Transient(
                    f"validation: expected the head to reach {show(wanted)} within {CATCH_UP_SECONDS} s, "
                    f"found {show(self.stand().ts)}; validate when the backup lag is small"
                )
            self.release()
            self.work.alive()
            time.sleep(0.05)


def _history(client: Client) -> float:
    """Return for how many seconds a member keeps old versions; 300, the default, when it does not say."""
    try:
        found = client.admin.command("getParameter", 1, minSnapshotHistoryWindowInSeconds=1)
    except OperationFailure:
        return DEFAULT_HISTORY_SECONDS
    except PyMongoError as error:
        raise Transient(f"validation: expected an answer from the member, found: {words(error)[:200]}") from error
    return float(found["minSnapshotHistoryWindowInSeconds"])
