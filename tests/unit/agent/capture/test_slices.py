"""Slices on disk: what is durable, what a torn tail costs, how a gap is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bson
import pytest
import structlog
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent.capture import slices
from backup_agent.capture.slices import Anchor, SliceReader, SliceWriter, files, remove_before
from backup_agent.errors import OperationFailed, ResyncRequired, Transient


def entry(seconds: int, **fields: Any) -> RawBSONDocument:
    """Return an oplog entry."""
    return RawBSONDocument(bson.encode({"ts": Timestamp(seconds, 1), "t": 1, "op": "n", **fields}))


def append(writer: SliceWriter, *seconds: int) -> None:
    """Append a batch of entries."""
    batch = [entry(s) for s in seconds]
    writer.append(b"".join(e.raw for e in batch), batch[0], batch[-1])


def everything(directory: Path, writer: SliceWriter, after: int = 0) -> list[int]:
    """Read all that is durable."""
    reader = SliceReader(writer, Timestamp(after, 1))
    found: list[int] = []
    while batch := reader.next_batch():
        found += [e["ts"].time for e in batch]
    return found


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    """Entries come back in order, and again from a writer that was opened again."""
    writer = SliceWriter(tmp_path, 1)
    append(writer, 1, 2)
    append(writer, 3)
    assert [1, 2, 3] == everything(tmp_path, writer)
    writer.close()
    again = SliceWriter(tmp_path, 1)
    assert Anchor.of(entry(3)) == again.anchor
    assert [1, 2, 3] == everything(tmp_path, again)


@pytest.mark.parametrize("lost", [1, 5, 20])
def test_a_torn_tail_is_cut_at_the_last_whole_frame(tmp_path: Path, lost: int) -> None:
    """A power cut in the middle of a write leaves the entries before it, and capture goes on after them."""
    writer = SliceWriter(tmp_path, 1)
    append(writer, 1, 2)
    append(writer, 3, 4)
    writer.close()
    path = files(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-lost])
    again = SliceWriter(tmp_path, 1)
    assert Anchor.of(entry(2)) == again.anchor
    append(again, 3)
    assert [1, 2, 3] == everything(tmp_path, again)


def test_whole_frames_behind_a_damaged_one_are_said_and_kept_aside(tmp_path: Path) -> None:
    """No crash leaves that: the disk is at fault. What is cut off is counted, and a copy stays for whoever looks into it."""
    writer = SliceWriter(tmp_path, 1)
    ends = []
    for second in (1, 2, 3, 4):
        append(writer, second)
        assert writer.durable is not None
        ends.append(writer.durable.length)
    writer.close()
    path = files(tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[ends[0] + 8] ^= 0xFF
    path.write_bytes(content)
    with structlog.testing.capture_logs() as logs:
        again = SliceWriter(tmp_path, 1)
    assert ("error", ends[3] - ends[0]) == (logs[0]["log_level"], logs[0]["cut_bytes"])
    assert "2 whole ones behind it" in logs[0]["found"]
    assert bytes(content) == Path(logs[0]["kept"]).read_bytes()
    assert Anchor.of(entry(1)) == again.anchor
    append(again, 2)
    assert [1, 2] == everything(tmp_path, again)


def test_a_slice_that_was_never_whole_is_removed(tmp_path: Path) -> None:
    """A crash while the first frame of a new slice was written leaves the slice before as the newest."""
    writer = SliceWriter(tmp_path, 1)
    append(writer, 1)
    writer.close()
    (tmp_path / f"0000000002-1{slices.SUFFIX}").write_bytes(b"\x28\xb5\x2f")
    again = SliceWriter(tmp_path, 1)
    assert Anchor.of(entry(1)) == again.anchor
    assert 1 == len(files(tmp_path))


def test_a_new_slice_begins_when_one_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices follow each other, and reading goes over their limits, from the middle too."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 1)
    writer = SliceWriter(tmp_path, 1)
    for second in range(1, 6):
        append(writer, second)
    assert 5 == len(files(tmp_path))
    assert [1, 2, 3, 4, 5] == everything(tmp_path, writer)
    assert [3, 4, 5] == everything(tmp_path, writer, after=3)


def test_a_missing_slice_is_corruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice that does not follow the one before is never skipped over."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 1)
    writer = SliceWriter(tmp_path, 1)
    for second in range(1, 4):
        append(writer, second)
    files(tmp_path)[1].unlink()
    with pytest.raises(ResyncRequired) as caught:
        everything(tmp_path, writer)
    assert "corruption" == caught.value.cause


def test_a_missing_first_slice_is_corruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading never begins after a gap: the first slice that is there follows an entry that the reader has, or none at all."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 1)
    writer = SliceWriter(tmp_path, 1)
    for second in range(1, 5):
        append(writer, second)
    assert [1, 2, 3, 4] == everything(tmp_path, writer)  # nothing was ever captured before the first
    files(tmp_path)[0].unlink()
    assert [2, 3, 4] == everything(tmp_path, writer, after=1)
    assert [2, 3, 4] == everything(tmp_path, writer, after=2)
    files(tmp_path)[0].unlink()
    with pytest.raises(ResyncRequired, match="missing") as caught:
        everything(tmp_path, writer, after=1)
    assert "corruption" == caught.value.cause
    assert [3, 4] == everything(tmp_path, writer, after=2)


def test_a_damaged_frame_is_corruption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed byte in a full slice is found by its checksum."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 1)
    writer = SliceWriter(tmp_path, 1)
    append(writer, 1)
    append(writer, 2)
    data = bytearray(files(tmp_path)[0].read_bytes())
    data[-6] ^= 0xFF
    files(tmp_path)[0].write_bytes(data)
    with pytest.raises(ResyncRequired):
        everything(tmp_path, writer)


def test_a_failed_write_leaves_what_was_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle of a frame is cut back, and the same batch can be written again."""
    writer = SliceWriter(tmp_path, 1)
    append(writer, 1)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backup_agent.capture.slices.os.fdatasync", full)
    with pytest.raises(OSError, match="No space"):
        append(writer, 2)
    monkeypatch.undo()
    assert Anchor.of(entry(1)) == writer.anchor
    append(writer, 2)
    assert [1, 2] == everything(tmp_path, writer)


@pytest.mark.parametrize("begun", [1, 2])
def test_whatever_ends_a_write_leaves_what_was_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: int
) -> None:
    """An error that is not the disk's is cut back too, in the middle of a slice as at its beginning."""
    monkeypatch.setattr(slices, "SLICE_BYTES", begun if begun == 1 else slices.SLICE_BYTES)
    writer = SliceWriter(tmp_path, 1)
    append(writer, 1)

    def interrupted(descriptor: int) -> None:
        raise OperationFailed("interrupted")

    with monkeypatch.context() as broken:
        broken.setattr("backup_agent.capture.slices.os.fdatasync", interrupted)
        with pytest.raises(OperationFailed):
            append(writer, 2)
    assert [1] == everything(tmp_path, writer)
    append(writer, 2)
    assert [1, 2] == everything(tmp_path, writer)
    assert Anchor.of(entry(2)) == SliceWriter(tmp_path, 1).anchor


def test_closed_slices_take_nothing_more(tmp_path: Path) -> None:
    """A writer that was closed refuses: another one may have opened the slices since."""
    writer = SliceWriter(tmp_path, 1)
    append(writer, 1)
    writer.close()
    again = SliceWriter(tmp_path, 1)
    with pytest.raises(Transient, match="closed"):
        append(writer, 2)
    append(again, 2)
    assert [1, 2] == everything(tmp_path, again)


def test_only_old_slices_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice goes when every entry of it is old; the newest stays whatever its age."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 1)
    writer = SliceWriter(tmp_path, 1)
    for second in range(1, 5):
        append(writer, second)
    remove_before(tmp_path, Timestamp(3, 1))
    assert [3, 4] == everything(tmp_path, writer, after=3)
    remove_before(tmp_path, Timestamp(99, 1))
    assert 1 == len(files(tmp_path))
