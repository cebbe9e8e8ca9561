"""Rolling the oplog over for real: by writing until the old entries are gone from every member."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bson.binary import Binary
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, WriteConcernError, WTimeoutError
from pymongo.uri_parser import parse_uri

from lab.data import concern_of_all
from lab.errors import LabError
from lab.oplog_edge import edge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bson.timestamp import Timestamp
    from pymongo.collection import Collection

    from lab.mongod import Client

DATABASE, FILLER = "lab", "filler"
_PIECE_BYTES = 200_000
_PIECES = 20


@dataclass(frozen=True)
class Progress:
    """How far a roll-over has come."""

    written_bytes: int
    seconds: float
    oldest: dict[str, Timestamp]
    past: Timestamp

    @property
    def waiting_for(self) -> list[str]:
        """The members that still have the entry."""
        return [address for address, oldest in self.oldest.items() if oldest <= self.past]


def roll_over(
    uri: str,
    past: Timestamp | None = None,
    members: Sequence[str] | None = None,
    *,
    timeout_seconds: float = 120,
    on_progress: Callable[[Progress], object] = lambda _: None,
) -> Progress:
    """Write until the oldest oplog entry of every member is newer than `past` (by default: than everything there is).

    The members are all that bear data unless named. The filler document is replaced over and over and dropped at the
    end, so that the data set does not grow. mongod cuts its oplog off lazily, in pieces and only behind a checkpoint:
    expect to write several times its size.
    """
    with MongoClient[dict[str, Any]](uri) as client:
        watched = _Watched(uri, members or data_bearing(client))
        target = past or edge(client, -1)
        filler = client[DATABASE].get_collection(FILLER, write_concern=concern_of_all(len(watched.clients)))
        try:
            for progress in _written(filler, watched, target, timeout_seconds):
                on_progress(progress)
            return progress
        finally:
            filler.drop()
            watched.close()


def _written(
    filler: Collection[dict[str, Any]], watched: _Watched, target: Timestamp, timeout_seconds: float
) -> Iterator[Progress]:
    """Write, and yield the progress before each write and at the end. Raises LabError when it takes too long."""
    started, written = time.monotonic(), 0
    while True:
        progress = Progress(written, time.monotonic() - started, watched.oldest(), target)
        yield progress
        if not progress.waiting_for:
            return
        if progress.seconds > timeout_seconds:
            raise LabError(_too_slow(progress))
        written += _write(filler)


def data_bearing(client: Client) -> list[str]:
    """Return the addresses of the members that have an oplog now, hidden ones too."""
    status = client.admin.command("replSetGetStatus")
    return [member["name"] for member in status["members"] if member["stateStr"] in {"PRIMARY", "SECONDARY"}]


def oplog_ends(uri: str, members: Sequence[str]) -> dict[str, tuple[Timestamp, Timestamp]]:
    """Return the oldest and the newest oplog entry of each of these members."""
    watched = _Watched(uri, members)
    try:
        return {address: (edge(client, 1), edge(client, -1)) for address, client in watched.clients.items()}
    finally:
        watched.close()


class _Watched:
    """The members whose oplogs are read, each by a client of its own."""

    def __init__(self, uri: str, members: Sequence[str]) -> None:
        parsed = parse_uri(uri, connect_timeout=20)
        options = {"directConnection": True, "authSource": parsed["options"].get("authsource", "admin")}
        if parsed["username"]:
            options |= {"username": parsed["username"], "password": parsed["password"]}
        self.clients: dict[str, Client] = {address: MongoClient(address, **options) for address in members}

    def oldest(self) -> dict[str, Timestamp]:
        return {address: edge(client, 1) for address, client in self.clients.items()}

    def close(self) -> None:
        for client in self.clients.values():
            client.close()


def _write(filler: Collection[dict[str, Any]]) -> int:
    """Write one round, waiting for all members: none of them must be left behind so far that it goes stale."""
    for piece in range(_PIECES):
        try:
            filler.replace_one({"_id": piece}, {"_id": piece, "b": Binary(os.urandom(_PIECE_BYTES))}, upsert=True)
        except (AutoReconnect, WTimeoutError, WriteConcernError):
            time.sleep(0.1)
    return _PIECES * _PIECE_BYTES


def _too_slow(progress: Progress) -> str:
    oldest = ", ".join(f"{address}: {at.time},{at.inc}" for address, at in progress.oldest.items())
    return (
        f"expected the oplogs to roll past {progress.past.time},{progress.past.inc} in time; after "
        f"{progress.seconds:.0f} s and {progress.written_bytes / 1e6:.0f} MB the oldest entries are {oldest}; "
        "use a smaller oplog or a longer timeout"
    )
