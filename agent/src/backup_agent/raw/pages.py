"""Cursors by hand: the pages of a `find`, as the raw bytes of their documents.

PyMongo has no public way to give `find` a read time, copies large batches more often, and asks for as much as 16 MB at a time.
Here a page is sized by what its documents weigh, so that what several threads hold together stays small; a page is larger
only where a single document is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from bson.errors import InvalidBSON
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.client_session import ClientSession
from pymongo.errors import ConnectionFailure, PyMongoError

from backup_agent.raw.elements import LENGTH, documents, find
from backup_agent.values import RAW, Client

LARGEST_PAGE_BYTES = 16 * 1024 * 1024
PAGE_BYTES = 4 * 1024 * 1024
"""What a page is to hold. Larger ones are not faster: 380 MB of small documents took 0.4 s so, and 0.5 s by 16 MB."""


def run(
    client: Client, database: str, body: Mapping[str, Any], session: ClientSession | None = None
) -> RawBSONDocument:
    """Run a command on a member, a secondary or not, and return the raw reply."""
    where = client.get_database(database)
    secondary = ReadPreference.SECONDARY_PREFERRED
    return where.command(dict(body), session=session, codec_options=RAW, read_preference=secondary)


@contextlib.contextmanager
def session_of(client: Client) -> Iterator[ClientSession | None]:
    """Yield a session for a cursor and its getMores, or None for a hidden member.

    The driver denies sessions to a direct connection to one ("RSOther"), and then sends its commands without any; the server
    takes a cursor without a session too.
    """
    client.admin.command("ping")  # the driver knows what kind of member it is only after it has talked to it
    kinds = {server.server_type_name for server in client.topology_description.server_descriptions().values()}
    if kinds == {"RSOther"}:
        yield None
        return
    with client.start_session(causal_consistency=False) as session:
        yield session


def read_reply(cursor: bytes) -> tuple[int, str, list[bytes]]:
    """Read the `cursor` document of a reply: the cursor's id, its collection, and the documents, which stay bytes."""
    identifier, namespace = find(cursor, b"id"), find(cursor, b"ns")
    page = find(cursor, b"firstBatch") or find(cursor, b"nextBatch")
    if identifier is None or namespace is None or page is None:
        raise InvalidBSON("expected a cursor's id, ns and batch in the reply, found less")
    number = int.from_bytes(cursor[identifier.start : identifier.end], "little", signed=True)
    full_name = cursor[namespace.start + LENGTH.size : namespace.end - 1].decode()
    return number, full_name.partition(".")[2], documents(cursor, page.start)


class Cursor:
    """The pages of one `find`. `close` it: a cursor that is left open holds resources of the server."""

    def __init__(
        self,
        client: Client,
        database: str,
        body: Mapping[str, Any],
        session: ClientSession | None,
        await_milliseconds: int | None = None,
    ) -> None:
        """`body` is the `find` command. `await_milliseconds` is how long a getMore of a tailing one waits for more."""
        self._client, self._database, self._body, self._session = client, database, body, session
        self._await = await_milliseconds
        self._id: int | None = None
        self._collection = ""
        self._documents = self._bytes = 0

    @property
    def alive(self) -> bool:
        """Whether there may be another page."""
        return self._id != 0

    @property
    def page_bytes(self) -> int:
        """How large the last page was."""
        return self._bytes

    @property
    def expected_bytes(self) -> int:
        """How large the next page may be, as far as can be told: the first of any size, that of a source at rest nothing."""
        if self._id is None:
            return LARGEST_PAGE_BYTES
        return 0 if self._await is not None and not self._documents else max(PAGE_BYTES, self._bytes)

    def next_page(self) -> list[bytes]:
        """Return the next documents; none at the end, or of a tailing cursor when none came. Raises PyMongo's errors."""
        body = self._body if self._id is None else self._more()
        try:
            reply = run(self._client, self._database, body, self._session)
        except ConnectionFailure:
            self._id = 0  # who does not answer is not asked to close it, that would be waited for too
            raise
        self._id, self._collection, page = read_reply(bytes(reply["cursor"].raw))
        self._documents, self._bytes = len(page), sum(map(len, page))
        return page

    def _more(self) -> dict[str, Any]:
        more: dict[str, Any] = {"getMore": Int64(self._id or 0), "collection": self._collection}
        if self._documents:
            more["batchSize"] = max(1, PAGE_BYTES * self._documents // max(1, self._bytes))
        if self._await is not None:
            more["maxTimeMS"] = self._await
        return more

    def close(self) -> None:
        """Tell the server that no more is wanted."""
        if self._id:
            with contextlib.suppress(PyMongoError):
                body = {"killCursors": self._collection, "cursors": [Int64(self._id)]}
                run(self._client, self._database, body, self._session)
            self._id = 0


@contextlib.contextmanager
def opened(
    client: Client, database: str, body: Mapping[str, Any], await_milliseconds: int | None = None
) -> Iterator[Cursor]:
    """Yield a cursor in a session of its own, and close both."""
    with (
        session_of(client) as session,
        contextlib.closing(Cursor(client, database, body, session, await_milliseconds)) as cursor,
    ):
        yield cursor
