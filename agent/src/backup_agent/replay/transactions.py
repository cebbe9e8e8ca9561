"""Transactions that take several oplog entries: their operations, kept until they are committed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from backup_agent.errors import Unsupported
from backup_agent.raw.elements import LENGTH, documents, find
from backup_agent.times import OpTime

SPOOL_BYTES = 8 * 1024 * 1024


def operations(entry: bytes) -> list[bytes]:
    """Return the operations inside an `applyOps` entry. Raises Unsupported when it has none to show."""
    o = find(entry, b"o")
    inner = find(entry, b"applyOps", o.start) if o is not None else None
    if inner is None:
        raise Unsupported("expected an entry of a transaction to hold o.applyOps, found none")
    return documents(entry, inner.start)


class Transaction:
    """The operations of an open transaction, kept in memory up to a limit and in an unnamed file beyond it.

    They are kept one by one: read back, a transaction takes the memory of one operation, whatever its size.
    """

    def __init__(self, first: OpTime, number: int, spool: Path) -> None:
        """`first` is the optime of its first entry, `number` the session's txnNumber, `spool` a directory."""
        self.first, self.number, self.prepared = first, number, False
        self.complete = True
        """Whether its first entry was captured. A part that names an earlier entry is not the first."""
        self.count = 0
        # Closed by `close`, when the transaction has been applied or forgotten.
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES, dir=str(spool))  # noqa: SIM115

    def add(self, entry: bytes) -> None:
        """Keep the operations of one more entry."""
        for operation in operations(entry):
            self._file.write(operation)
            self.count += 1

    def operations(self) -> Iterator[bytes]:
        """Yield the operations in order."""
        self._file.seek(0)
        while length := self._file.read(LENGTH.size):
            yield length + self._file.read(int(LENGTH.unpack(length)[0]) - LENGTH.size)

    def close(self) -> None:
        """Forget them."""
        self._file.close()
