"""Writes that never pause for long, from a thread: inserts, updates, deletes, transactions, and a little DDL."""

from __future__ import annotations

import random
import threading
import time
from typing import Any, Self

from pymongo import MongoClient

DATABASE = "traffic"
KEYS = 150
"""The documents that are written again and again: the data stays small however many cells run."""

PAUSE_SECONDS = 0.02
DDL_SHARE = 0.02

Json = dict[str, Any]


class Traffic:
    """As a context manager: writes from its beginning to its end, or to `stop`."""

    def __init__(self, client: MongoClient[Json], seed: int) -> None:
        self._client, self._random = client, random.Random(seed)
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._error: BaseException | None = None
        self.writes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End, and raise what ended it before."""
        self._halt.set()
        self._thread.join(timeout=60)
        if self._error is not None:
            raise AssertionError(f"the traffic ended: {self._error}") from self._error

    def wait_for(self, writes: int, seconds: float = 60) -> None:
        """Wait until so many more writes have been done."""
        wanted, deadline = self.writes + writes, time.monotonic() + seconds
        while self.writes < wanted:
            assert self._error is None, str(self._error)
            assert time.monotonic() < deadline, f"not {writes} writes in {seconds} s"
            time.sleep(0.02)

    def _run(self) -> None:
        try:
            while not self._halt.is_set():
                self._write()
                self.writes += 1
                time.sleep(PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001 - said by stop and wait_for
            self._error = error

    def _write(self) -> None:
        found = self._random
        collection = self._client[DATABASE][f"c{found.randrange(3)}"]
        key, value = found.randrange(KEYS), found.random()
        kind = found.random()
        if kind < DDL_SHARE:
            self._ddl()
        elif kind < 0.5:
            collection.replace_one({"_id": key}, {"_id": key, "v": value, "text": "x" * 200}, upsert=True)
        elif kind < 0.75:
            collection.update_one({"_id": key}, {"$set": {"v": value}, "$inc": {"n": 1}})
        elif kind < 0.9:
            collection.delete_one({"_id": key})
        else:
            self._transaction()

    def _transaction(self) -> None:
        database, found = self._client[DATABASE], self._random
        keys = [found.randrange(KEYS) for _ in range(3)]
        with self._client.start_session() as session:

            def body(session: Any) -> None:
                for number, key in enumerate(keys):
                    document = {"_id": key, "t": key, "text": "y" * 100}
                    database[f"c{number}"].replace_one({"_id": key}, document, upsert=True, session=session)

            session.with_transaction(body)

    def _ddl(self) -> None:
        database, name = self._client[DATABASE], f"d{self._random.randrange(3)}"
        if name in database.list_collection_names():
            if self._random.random() < 0.5:
                database.drop_collection(name)
            else:
                database[name].rename(f"e{name}", dropTarget=True)
        else:
            database.create_collection(name)
            database[name].insert_many([{"_id": n, "n": n % 3} for n in range(5)])
            database[name].create_index("n")
