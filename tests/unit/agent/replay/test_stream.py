"""From entries to units: transactions are put together, nothing is passed over silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bson
import pytest
from bson.binary import Binary
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.capture.slices import SliceReader, SliceWriter
from backup_agent.errors import ResyncRequired, Unsupported
from backup_agent.replay.stream import WHOLE, Position, Stream, Unit
from backup_agent.times import ZERO, OpTime

UI = Binary(bytes(16), 4)
NULL = {"ts": ZERO, "t": -1}


def write(op: str, identifier: Any, **more: Any) -> dict[str, Any]:
    """Return an insert, update or delete."""
    return {"op": op, "ns": "db.c", "ui": UI, "o": {"_id": identifier}, **more}


def command(o: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a command entry."""
    return {"op": "c", "ns": "admin.$cmd", "o": o, **more}


def session(number: int) -> dict[str, Any]:
    """Return the fields that name a session's transaction."""
    return {"lsid": {"id": 1}, "txnNumber": number, "prevOpTime": NULL}


def feed(tmp_path: Path, *entries: dict[str, Any], since: int = 0, at: Position | None = None) -> Stream:
    """Return a stream over these entries, the first of which has the timestamp (1, 1), the second (2, 1), …"""
    writer = SliceWriter(tmp_path / "slices", 1)
    for second, fields in enumerate(entries, 1):
        entry = RawBSONDocument(bson.encode({"ts": Timestamp(second, 1), "t": 1, **fields}))
        writer.append(entry.raw, entry, entry)
    position = at or Position(OpTime(Timestamp(0, 1), 1))
    reader = SliceReader(writer, position.open_from or position.optime.ts)
    return Stream(reader, position, Timestamp(since, 1), tmp_path)


def drain(stream: Stream) -> list[Unit]:
    """Take every unit."""
    units = []
    while (unit := stream.peek()) is not None:
        units.append(unit)
        stream.take()
    return units


def shown(units: list[Unit]) -> list[tuple[int, int, Any]]:
    """Return (second, index, `_id` or None) of each unit."""
    return [(u.optime.ts.time, u.index, u.op.identity if u.op else None) for u in units]


def test_every_entry_moves_the_position(tmp_path: Path) -> None:
    """A no-op and an entry of config are passed by a unit of their own, so that the position is never stuck before them."""
    units = drain(feed(tmp_path, {"op": "n", "ns": "", "o": {}}, {**write("i", 1), "ns": "config.x"}, write("i", 2)))
    assert [(1, 0, None), (2, 0, None), (3, 0, 2)] == shown(units)


def test_a_transaction_in_one_entry_is_its_operations(tmp_path: Path) -> None:
    """An applyOps is taken apart, and only its last operation completes the entry."""
    units = drain(feed(tmp_path, command({"applyOps": [write("i", 1), write("i", 2)]}, **session(1))))
    assert [(1, 0, 1), (1, 1, 2)] == shown(units)
    assert [0, WHOLE] == [u.position(None).index for u in units]


def test_a_large_transaction_is_applied_at_its_last_entry(tmp_path: Path) -> None:
    """Parts are kept until the entry that ends them; while they are kept, `open_from` says where reading must begin again."""
    first = command({"applyOps": [write("i", 1)], "partialTxn": True}, **session(1))
    last = command({"applyOps": [write("i", 3)]}, **{**session(1), "prevOpTime": {"ts": Timestamp(1, 1), "t": 1}})
    stream = feed(tmp_path, first, write("i", 2), last)
    assert stream.peek() is not None
    assert Timestamp(1, 1) == stream.open_from
    assert [(1, 0, None), (2, 0, 2), (3, 0, 1), (3, 1, 3)] == shown(drain(stream))
    assert stream.open_from is None


def test_a_prepared_transaction_waits_for_its_commit(tmp_path: Path) -> None:
    """Prepared operations are applied by the commit entry and forgotten by an abort."""
    prepare = command({"applyOps": [write("i", 1)], "prepare": True}, **session(1))
    commit = command({"commitTransaction": 1, "commitTimestamp": Timestamp(1, 1)}, **session(1))
    stream = feed(tmp_path / "a", prepare, write("i", 2), commit)
    stream.peek()
    assert stream.prepared
    assert [(1, 0, None), (2, 0, 2), (3, 0, 1)] == shown(drain(stream))
    aborted = feed(tmp_path / "b", prepare, command({"abortTransaction": 1}, **session(1)), write("i", 2))
    assert [(1, 0, None), (2, 0, None), (3, 0, 2)] == shown(drain(aborted))
    assert not aborted.prepared


def test_a_restart_in_the_middle_of_a_transaction_goes_on_there(tmp_path: Path) -> None:
    """With position (3, 0) and `open_from` 1, only the operations after index 0 come again."""
    first = command({"applyOps": [write("i", 1)], "partialTxn": True}, **session(1))
    last = command({"applyOps": [write("i", 3)]}, **{**session(1), "prevOpTime": {"ts": Timestamp(1, 1), "t": 1}})
    at = Position(OpTime(Timestamp(3, 1), 1), 0, Timestamp(1, 1))
    assert [(3, 1, 3)] == shown(drain(feed(tmp_path, first, write("i", 2), last, at=at)))


def test_what_was_committed_before_the_copy_is_not_applied(tmp_path: Path) -> None:
    """Up to Tc everything is in the copy: writes, commands and commits are passed, whole or in part."""
    prepare = command({"applyOps": [write("i", 1)], "prepare": True}, **session(1))
    early = command({"commitTransaction": 1}, **session(1))
    assert [None] * 3 == [u.op for u in drain(feed(tmp_path / "a", prepare, write("i", 2), early, since=3))]
    lost = feed(tmp_path / "b", command({"commitTransaction": 1}, **session(7)), since=1)
    assert [(1, 0, None)] == shown(drain(lost))


def test_a_commit_after_the_copy_needs_its_parts(tmp_path: Path) -> None:
    """A commit whose operations were never captured cannot be replayed: that is corruption, not a reason to go on."""
    with pytest.raises(ResyncRequired, match="commitTransaction"):
        drain(feed(tmp_path, command({"commitTransaction": 1}, **session(7)), since=0))


def test_a_transaction_without_its_first_part_is_not_applied_in_part(tmp_path: Path) -> None:
    """When reading begins behind the first entry of a transaction, its commit stops the job: half of it is not it."""
    second = command(
        {"applyOps": [write("i", 2)], "partialTxn": True},
        **{**session(1), "prevOpTime": {"ts": Timestamp(1, 1), "t": 1}},
    )
    last = command({"applyOps": [write("i", 3)]}, **{**session(1), "prevOpTime": {"ts": Timestamp(2, 1), "t": 1}})
    with pytest.raises(ResyncRequired, match="earlier entries"):
        drain(feed(tmp_path, second, last))


def test_a_commit_that_was_applied_needs_its_parts_no_more(tmp_path: Path) -> None:
    """After a restart, reading may begin between the parts of a transaction and its commit, which is behind the position."""
    commit = command({"commitTransaction": 1}, **session(7))
    at = Position(OpTime(Timestamp(2, 1), 1))
    assert [(3, 0, 5)] == shown(drain(feed(tmp_path, commit, write("i", 4), write("i", 5), at=at)))


def test_a_date_beyond_the_calendar_is_no_obstacle(tmp_path: Path) -> None:
    """`new Date(8640000000000000)`, a common "never", is read as it is."""
    never = DatetimeMS(8_640_000_000_000_000)
    (unit,) = drain(feed(tmp_path, write("i", never)))
    assert unit.op is not None
    assert never == unit.op.identity


def test_parts_of_an_older_transaction_are_forgotten(tmp_path: Path) -> None:
    """A primary that died between the entries of a transaction leaves parts that no commit will ever name."""
    orphan = command({"applyOps": [write("i", 1)], "partialTxn": True}, **session(1))
    stream = feed(tmp_path, orphan, command({"applyOps": [write("i", 2)]}, **session(2)))
    assert [(1, 0, None), (2, 0, 2)] == shown(drain(stream))
    assert stream.open_from is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (command({"convertToCapped": "c"}), "convertToCapped"),
        (command({"inventedTomorrow": 1}), "inventedTomorrow"),
        ({"op": "xx", "ns": "db.c", "o": {}}, "xx on db.c"),
        ({"op": "i", "ns": "db.c", "o": {"_id": 1}}, "UUID"),
    ],
)
def test_what_cannot_be_replayed_stops_and_is_named(tmp_path: Path, entry: dict[str, Any], words: str) -> None:
    """The error names kind, namespace and optime."""
    with pytest.raises(Unsupported, match=words) as caught:
        drain(feed(tmp_path, entry))
    assert "1970-01-01T00:00:01Z#1" in caught.value.message


def test_a_feature_version_goes_to_the_head(tmp_path: Path) -> None:
    """It is the one document of `admin.system.version` that the head follows; before the copy it is in the copy."""
    entry = {"op": "u", "ns": "admin.system.version", "o": {"_id": "featureCompatibilityVersion"}}
    (unit,) = drain(feed(tmp_path, entry))
    assert unit.command is not None


def test_dropping_a_database_is_a_command(tmp_path: Path) -> None:
    """Its collections have been dropped by UUID. What is left to do is to forget its name."""
    units = drain(feed(tmp_path, {**command({"dropDatabase": 1}), "ns": "db.$cmd"}))
    assert ["db.$cmd"] == [u.command["ns"] for u in units if u.command is not None]
