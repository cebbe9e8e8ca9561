"""Slices: the captured oplog on disk, in files of zstd frames, each file contiguous with the one before.

A frame is one batch of raw entries with a checksum, so `zstd -dc FILE | bsondump` shows a slice. The first document of a file is
a header that names the entry before it. What has been captured is read from the slices themselves: there is no second record
of it that could disagree.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import mmap
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import bson
import structlog
import zstandard
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp

from backup_agent import failpoints
from backup_agent.errors import ResyncRequired, Transient
from backup_agent.raw.elements import LENGTH
from backup_agent.times import OpTime, show
from backup_agent.values import RAW

log = structlog.get_logger(__name__)

SLICE_BYTES = 64 * 1024 * 1024
SUFFIX = ".oplog.zst"
DAMAGED = "damaged"
"""The directory beside the slices for copies of those that the disk has damaged. It goes with its generation."""
_PART_BYTES = 1024 * 1024
LARGEST_FRAME_BYTES = 64 * 1024 * 1024
"""A frame holds one page of an oplog, which is a quarter of this at most."""


@dataclass(frozen=True)
class Anchor:
    """The last captured entry: capture goes on only where the source still has exactly it."""

    optime: OpTime
    sha256: str

    @classmethod
    def of(cls, entry: RawBSONDocument) -> Anchor:
        """Return the anchor of a raw oplog entry (entries are byte-identical on all members)."""
        return cls(OpTime(entry["ts"], entry.get("t", -1)), hashlib.sha256(entry.raw).hexdigest())

    def as_document(self) -> dict[str, Any]:
        """Return what a slice's header says of the entry before it."""
        return {"ts": self.optime.ts, "t": self.optime.term, "sha256": self.sha256}


@dataclass(frozen=True)
class Durable:
    """How far the slices are safely on disk: the newest file and its length."""

    path: Path
    length: int


class BadFrame(Exception):
    """The bytes at an offset are not a whole frame."""


def files(directory: Path) -> list[Path]:
    """Return the slices of a generation in order (their names begin with the first entry's timestamp)."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def first_timestamp(path: Path) -> Timestamp:
    """Return the timestamp of a slice's first entry, from its name."""
    seconds, increment = path.name.removesuffix(SUFFIX).split("-")
    return Timestamp(int(seconds), int(increment))


def frames(path: Path, length: int | None = None, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (offset of the frame's end, its content) up to `length` bytes of the file.

    Raises BadFrame with the offset of the first frame that is torn or damaged.
    """
    end = path.stat().st_size if length is None else length
    with open(path, "rb") as file:
        file.seek(offset)
        held, start = b"", offset
        while start < end:
            try:
                content, held = _frame_of(file, held, end)
            except zstandard.ZstdError as error:
                raise BadFrame(f"no whole frame at offset {start}") from error
            start = file.tell() - len(held)
            yield start, content


def _frame_of(file: BinaryIO, held: bytes, end: int) -> tuple[bytes, bytes]:
    """Return the content of the frame that begins with `held`, and what has been read of the next. Raises ZstdError."""
    reader, content = zstandard.ZstdDecompressor().decompressobj(), []
    size = 0
    while not reader.eof:
        held = held or file.read(min(_PART_BYTES, end - file.tell()))
        if not held:
            raise zstandard.ZstdError("the file ends within the frame")
        content.append(reader.decompress(held))
        size += len(content[-1])
        if size > LARGEST_FRAME_BYTES:
            raise zstandard.ZstdError("the frame is larger than any that is written")
        held = reader.unused_data if reader.eof else b""
    return b"".join(content), held


def split_documents(content: bytes) -> list[RawBSONDocument]:
    """Return the documents that lie one after the other; one that fills all of it is not copied.

    Raises InvalidBSON when they are not what their lengths say.
    """
    found, at = [], 0
    while at < len(content):
        end = at + max(int(LENGTH.unpack_from(content, at)[0]), LENGTH.size + 1)
        found.append(RawBSONDocument(content[at:end], RAW))
        at = end
    return found


def _write_all(descriptor: int, content: bytes) -> int:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(content)


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole(path: Path) -> tuple[int, bytes]:
    """Cut a file after its last whole frame; returns its length then, and that frame.

    A crash tears the last frame. Whole frames behind a bad one say that the disk has damaged it: they are cut off, too, and read
    from the source again; the head does not take a second time what it has applied of them. A copy of the file stays. Where the
    source no longer has them only a resync helps, even when the head is beyond: the archive would have a hole.
    """
    end, last = 0, b""
    try:
        for offset, content in frames(path):
            end, last = offset, content
    except BadFrame as error:
        _say_what_is_cut(path, end, error)
        os.truncate(path, end)
    return end, last


def _say_what_is_cut(path: Path, end: int, error: BadFrame) -> None:
    lost, cut = _whole_frames_behind(path, end), path.stat().st_size - end
    if not lost:
        log.warning("slice cut", slice=path.name, found="a torn frame, as a crash leaves one", at=end, cut_bytes=cut)
        return
    log.error(
        "slice cut",
        slice=path.name,
        found=f"a damaged frame with {lost} whole ones behind it ({error})",
        cut_bytes=cut,
        kept=_keep(path),
        next="what is cut off is not used, the agent of a job reads it from its source again; see whether the disk is sound",
    )


def _keep(path: Path) -> str:
    """Keep a copy of a damaged slice beside the slices; returns where, or why there is none: the disk may be full, or broken."""
    kept = path.parent.with_name(DAMAGED) / path.name
    try:
        kept.parent.mkdir(exist_ok=True, mode=0o700)
        shutil.copyfile(path, kept)
    except OSError as error:
        return f"nothing: {error}"
    return str(kept)


def _whole_frames_behind(path: Path, offset: int) -> int:
    """Return how many whole frames follow each other somewhere behind a bad one."""
    at, found = offset, 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        while not found and (at := content.find(zstandard.FRAME_HEADER, at + 1)) >= 0:
            found = _whole_frames(path, at)
    return found


def _whole_frames(path: Path, offset: int) -> int:
    found = 0
    with contextlib.suppress(BadFrame):
        for _ in frames(path, offset=offset):
            found += 1
    return found


class SliceWriter:
    """Appends batches. Not safe for use by several threads, but `durable` may be read by any."""

    def __init__(self, directory: Path, generation: int) -> None:
        """Open the slices of a generation; a torn tail of the newest one is cut at its last whole frame."""
        self.directory, self._generation = directory, generation
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
        self._file: int | None = None
        self.durable: Durable | None = None
        """How far a reader may read, or None before the first batch; replaced as a whole."""
        self.anchor: Anchor | None = None
        self._closed = False
        self._recover()

    def _recover(self) -> None:
        for path in reversed(files(self.directory)):
            whole, last = _whole(path)
            if whole:
                self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
                os.fsync(self._file)
                self.anchor = Anchor.of(split_documents(last)[-1])
                self.durable = Durable(path, whole)
                return
            path.unlink()

    def append(self, batch: bytes, first: RawBSONDocument, last: RawBSONDocument) -> None:
        """Write one batch durably, then advance the anchor.

        Raises OSError (no space, for one) with the file cut back to what was durable before, Transient after `close`.
        """
        if self._closed:
            raise Transient(
                "expected open slices, found them closed; the next capture of this job reads the entries again"
            )
        if self._file is None or (self.durable and self.durable.length >= SLICE_BYTES):
            self._begin(first["ts"], batch)
        else:
            self._extend(batch)
        self.anchor = Anchor.of(last)

    def _begin(self, ts: Timestamp, batch: bytes) -> None:
        header = {
            "slice": 1,
            "generation": self._generation,
            "previous": self.anchor.as_document() if self.anchor else None,
        }
        path = self.directory / f"{ts.time:010d}-{ts.inc:010d}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            length = self._write(descriptor, bson.encode(header), batch)
            _fsync_directory(self.directory)
        except BaseException:
            os.close(descriptor)
            path.unlink()
            raise
        if self._file is not None:
            os.close(self._file)
        self._file = descriptor
        self.durable = Durable(path, length)

    def _extend(self, batch: bytes) -> None:
        assert self._file is not None
        assert self.durable is not None
        before = self.durable
        try:
            length = before.length + self._write(self._file, batch)
        except BaseException:  # what is not known to be durable must not stay before the next frame
            os.ftruncate(self._file, before.length)
            raise
        self.durable = Durable(before.path, length)

    def _write(self, descriptor: int, *contents: bytes) -> int:
        """Write one frame durably, compressed a part at a time; returns its length."""
        stream = self._compressor.compressobj()
        size = 0
        for content in contents:
            for start in range(0, len(content), _PART_BYTES):
                size += _write_all(descriptor, stream.compress(memoryview(content)[start : start + _PART_BYTES]))
        size += _write_all(descriptor, stream.flush())
        failpoints.reach("capture.fsync")
        os.fdatasync(descriptor)
        return size

    def close(self) -> None:
        """Close the newest file; nothing can be appended any more."""
        self._closed = True
        if self._file is not None:
            os.close(self._file)
            self._file = None


class SliceReader:
    """Reads entries in order, from the slice that holds a timestamp, never further than what is durable."""

    def __init__(self, writer: SliceWriter, after: Timestamp) -> None:
        """Entries up to and including `after` may come again: the caller skips what it has."""
        self._writer, self._after = writer, after
        self._offset = 0
        self._last: Anchor | None = None
        older = [path for path in files(writer.directory) if first_timestamp(path) <= after]
        self._path: Path | None = older[-1] if older else None

    def next_batch(self) -> list[RawBSONDocument]:
        """Return the entries of the next frame, or nothing when all that is durable has been read.

        Raises ResyncRequired (corruption) for a damaged frame or a slice that does not follow the one before.
        """
        durable = self._writer.durable
        if durable is None:
            return []
        if self._path is None:
            self._path = files(self._writer.directory)[0]
        if self._path == durable.path and self._offset >= durable.length:
            return []  # asked several times a second of a source at rest: nothing is opened
        while True:
            length = durable.length if self._path == durable.path else None
            entries = self._frame(self._path, length)
            if entries or self._path == durable.path:
                return entries
            every = files(self._writer.directory)
            self._path, self._offset = every[every.index(self._path) + 1], 0

    def _frame(self, path: Path, length: int | None) -> list[RawBSONDocument]:
        begins = self._offset == 0
        try:
            found = next(frames(path, length, self._offset), None)
        except (BadFrame, OSError) as error:
            raise ResyncRequired("corruption", f"slice {path.name}: expected whole frames, found: {error}") from error
        if found is None:
            return []
        self._offset = found[0]
        entries = split_documents(found[1])
        del found
        if begins:
            self._check_header(path, entries.pop(0))
        if entries:
            self._last = Anchor.of(entries[-1])
        return entries

    def _check_header(self, path: Path, header: RawBSONDocument) -> None:
        previous = header["previous"]
        if self._last is None:
            if previous and first_timestamp(path) > self._after < previous["ts"]:
                raise ResyncRequired(
                    "corruption",
                    f"slice {path.name}: expected the entries after {show(self._after)}, found the first ones after "
                    f"{show(previous['ts'])}; a slice before it is missing",
                )
            return
        found = previous["sha256"] if previous else None
        if found != self._last.sha256:
            raise ResyncRequired(
                "corruption",
                f"slice {path.name}: expected to follow the entry of {show(self._last.optime.ts)}, found another one before it",
            )


def remove_before(directory: Path, ts: Timestamp) -> None:
    """Delete the slices all of whose entries are older than `ts`. The newest is never deleted."""
    for path, following in itertools.pairwise(files(directory)):
        if first_timestamp(following) <= ts:
            path.unlink()
