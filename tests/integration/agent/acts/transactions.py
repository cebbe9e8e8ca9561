"""Acts with transactions: in one entry or several, aborted, prepared, open while the copy begins."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.database import Database

from acts.base import Json, act, spanning


@contextlib.contextmanager
def transaction(db: Database[Json]) -> Iterator[ClientSession]:
    """Give a session in a transaction."""
    with db.client.start_session() as session, session.start_transaction():
        yield session


def prepare(db: Database[Json], session: ClientSession) -> Any:
    """Prepare a session's transaction, by the command that shards use; returns the time of the prepare."""
    reply = db.client.admin.command("prepareTransaction", session=session, writeConcern={"w": "majority"})
    return reply["prepareTimestamp"]


def commit_prepared(db: Database[Json], session: ClientSession, stamp: Any) -> None:
    """Commit a prepared transaction."""
    db.client.admin.command("commitTransaction", commitTimestamp=stamp, session=session)
    session._transaction.state = 0  # the driver knows nothing of this commit


@act
def transactions(db: Database[Json]) -> Iterator[None]:
    """Committed and aborted ones, with catalogue changes inside, and one over several entries."""
    db.tx.insert_many([{"_id": i} for i in range(10)])
    yield
    with transaction(db) as session:
        db.tx.update_many({}, {"$set": {"in": 1}}, session=session)
        db.tx.delete_one({"_id": 3}, session=session)
        db.tx.insert_one({"_id": 3, "again": True}, session=session)
    with contextlib.suppress(ZeroDivisionError), transaction(db) as session:
        db.tx.delete_many({}, session=session)
        raise ZeroDivisionError
    with transaction(db) as session:
        db.create_collection("made", session=session)
        db.made.create_index("k", session=session)
        db.made.insert_one({"k": 1}, session=session)
    with transaction(db) as session:
        for number in range(5):
            db.tx.insert_one({"_id": f"big{number}", "b": os.urandom(5_000_000)}, session=session)


@act
def prepared_transactions(db: Database[Json]) -> Iterator[None]:
    """Prepared ones, committed and aborted (by the command that shards use; plain sets have it with test commands only)."""
    db.px.insert_many([{"_id": i} for i in range(4)])
    yield
    for commit in (True, False):
        with db.client.start_session() as session:
            session.start_transaction()
            db.px.update_one({"_id": int(commit)}, {"$set": {"prepared": commit}}, session=session)
            db.px.insert_one({"_id": f"p{commit}"}, session=session)
            stamp = prepare(db, session)
            if commit:
                commit_prepared(db, session, stamp)
            else:
                session.abort_transaction()


@spanning
def prepared_before_the_copy(db: Database[Json]) -> Iterator[None]:
    """Prepared before the copy begins, in one entry or several; committed or aborted while it goes on.

    A read of the copy waits for such a transaction when it meets a document of it, so the act has to end before that.
    """
    sessions = [db.client.start_session() for _ in range(3)]
    stamps = []
    db.sp.insert_many([{"_id": i, "n": 0} for i in range(6)])
    for number, session in enumerate(sessions):
        session.start_transaction()
        db.sp.update_one({"_id": number}, {"$set": {"n": "prepared"}}, session=session)
        db.sp.insert_one({"_id": f"p{number}"}, session=session)
        db.sp.delete_one({"_id": number + 3}, session=session)
        for part in range(number * 6):  # the last one takes several entries
            db.sp.insert_one({"_id": f"p{number} {part}"}, session=session)
        stamps.append(prepare(db, session))
    yield
    sessions[1].abort_transaction()
    commit_prepared(db, sessions[0], stamps[0])
    commit_prepared(db, sessions[2], stamps[2])
    for session in sessions:
        session.end_session()
