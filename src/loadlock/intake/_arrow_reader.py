"""Reads one Arrow IPC file or stream, batch by batch."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa

from loadlock.errors import SourceError
from loadlock.intake._arrow_claims import StreamWatch, block_too_much, file_blocks
from loadlock.intake._arrow_options import BinaryOptions
from loadlock.intake._arrow_rows import FAULTS, ArrowRows, words
from loadlock.intake._options import own_options
from loadlock.intake._spool import spooled
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.model import FileReport, Problem
from loadlock.rows import RAW_LIMIT

NAME = "arrow"
_FILE = b"ARROW1"
_END = b"\xff\xff\xff\xff\0\0\0\0"
"""What a writer puts at the end of a stream; one without it may be cut off between two batches."""


class ArrowReader:
    """Reads one file once."""

    def __init__(self, source: ByteSource, options: SourceOptions) -> None:
        self._source = source
        self._options = options
        self._own = own_options(BinaryOptions, options)
        self._rows: ArrowRows | None = None
        self._form: dict[str, Any] = {}

    def report(self) -> FileReport:
        if self._rows is None:
            return FileReport(format=NAME, notes=["the file is empty"])
        unmarked = self._form.get("end_mark") is False and not self._rows.out.rejected
        notes = ["the stream has no mark at its end: whether all of it came can't be told"] if unmarked else []
        return self._rows.report(NAME, self._form, notes)

    def parts(self) -> Iterator[RawPart]:
        head = self._source.head(8)
        if not head:
            return
        yield from self._file() if head.startswith(_FILE) else self._stream()
        if self._rows is not None:
            yield from self._rows.out.full(final=True)

    def _begin(self, schema: pa.Schema) -> ArrowRows:
        self._rows = ArrowRows(self._source.file, self._options, self._own, schema)
        return self._rows

    def _file(self) -> Iterator[RawPart]:
        with spooled(self._source) as file:
            try:
                blocks = _sound_blocks(file)
                opened = pa.ipc.open_file(file)
                rows, batches = self._begin(opened.schema), opened.num_record_batches
            except (*FAULTS, struct.error) as error:
                raise _damaged(self._source.file.path, error) from error
            self._form = {"form": "file", "record_batches": batches}
            first = 1
            for number in range(batches):
                try:
                    refuse(block_too_much(file, *blocks[number]))
                    batch = opened.get_batch(number)
                    count = batch.num_rows
                    yield from rows.take(batch, first)
                except (*FAULTS, struct.error) as error:
                    message = f"record batch {number + 1} of {batches} can't be read: {words(error)}"
                    problem = Problem(code="unreadable_range", message=message)
                    rows.out.reject(problem, line=first)
                    count = 0
                first += count

    def _stream(self) -> Iterator[RawPart]:
        blocks = _Blocks(self._source.open())
        try:
            opened = pa.ipc.open_stream(blocks)
            rows = self._begin(opened.schema)
        except FAULTS as error:
            raise _damaged(self._source.file.path, error) from error
        self._form = {"form": "stream"}
        first, start = 1, blocks.position
        while True:
            blocks.mark()
            try:
                batch = opened.read_next_batch()
                yield from rows.take(batch, first)
            except StopIteration:
                break
            except FAULTS as error:
                raw = blocks.marked()
                blocks.drain()
                message = f"the stream can't be read from row {first:,} on: {words(error)}"
                problem = Problem(code="unreadable_range", message=message)
                rows.out.reject(problem, line=first, offset=start, length=blocks.position - start, raw=raw)
                return
            first, start = first + batch.num_rows, blocks.position
        rest = blocks.position
        self._form["end_mark"] = blocks.last.endswith(_END)
        blocks.mark()
        blocks.drain()
        if blocks.position > rest:
            message = f"{blocks.position - rest:,} bytes stand behind the end of the stream"
            problem = Problem(code="unreadable_range", message=message)
            length = blocks.position - rest
            rows.out.reject(problem, line=first, offset=rest, length=length, raw=blocks.marked())


def _sound_blocks(file: IO[bytes]) -> list[tuple[int, int]]:
    """Where the batches of rows stand. ValueError where a dictionary claims too much: Arrow reads them all at once."""
    dictionaries, records = file_blocks(file)
    for block in dictionaries:
        refuse(block_too_much(file, *block))
    file.seek(0)
    return records


def refuse(reason: str | None) -> None:
    """ValueError where there is a reason."""
    if reason is not None:
        raise ValueError(reason)


class _Blocks(io.RawIOBase):
    """Blocks of bytes as a file that is read in order; the first bytes since a mark are kept."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._buffer = b""
        self._at = 0
        self._kept = bytearray()
        self._watch: StreamWatch | None = StreamWatch()
        self.position = 0
        self.last = b""
        """The last eight bytes read."""

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def read(self, size: int = -1) -> bytes:
        pieces: list[bytes] = []
        wanted = size if size >= 0 else 1 << 62
        while wanted:
            piece = self._buffer[self._at : self._at + wanted]
            if not piece:
                self._buffer, self._at = next(self._blocks, b""), 0
                if not self._buffer:
                    break
                continue
            pieces.append(piece)
            self._at += len(piece)
            wanted -= len(piece)
        data = b"".join(pieces)
        self.position += len(data)
        self._look(data)
        self.last = (self.last + data[-len(_END) :])[-len(_END) :]
        if len(self._kept) < RAW_LIMIT:
            self._kept += data[: RAW_LIMIT - len(self._kept)]
        return data

    def _look(self, data: bytes) -> None:
        """ValueError where these bytes end a message that must not be unpacked."""
        if self._watch is None:
            return
        try:
            reason = self._watch.feed(data)
        except (struct.error, ValueError):
            # damaged: Arrow says what is wrong with it
            self._watch = None
            return
        refuse(reason)

    def mark(self) -> None:
        """Forget the bytes kept so far."""
        self._kept.clear()

    def marked(self) -> bytes:
        """The first bytes read since the mark, as many as a reject keeps."""
        return bytes(self._kept)

    def drain(self) -> None:
        """Read to the end: the source notices then whether the file changed."""
        self._watch = None
        while self.read(1 << 20):
            pass


def _damaged(path: str, error: BaseException) -> SourceError:
    return SourceError(
        f"{path} is no whole Arrow file: {words(error)}", hint="It is damaged or cut off: fetch it again."
    )
