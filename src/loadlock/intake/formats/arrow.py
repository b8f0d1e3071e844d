"""Arrow IPC: files (also called Feather) and streams; typed columns as exact text, batch by batch."""

from __future__ import annotations

from typing import ClassVar

from loadlock.intake._arrow_options import BinaryOptions
from loadlock.intake.base import ByteSource, ReadResult, SourceOptions

_FILE = b"ARROW1"
_STREAM = b"\xff\xff\xff\xff"


class ArrowFormat:
    """An Arrow IPC file or stream. Rows are those of its record batches, in order; a damaged batch is one reject.

    `_row` counts rows and rejects, `_line` is the row's number in the file; there is no offset, but for a range of a
    stream that can't be read.
    """

    name: ClassVar[str] = "arrow"
    summary: ClassVar[str] = "Arrow IPC files (Feather) and streams"
    extensions: ClassVar[tuple[str, ...]] = (".arrow", ".feather", ".arrows", ".ipc")
    reads_binary: ClassVar[bool] = True
    Options = BinaryOptions

    def sniff(self, head: bytes, name: str) -> float:
        """By the first bytes: the name of the file format, or the mark of a stream before a length that can be."""
        if head.startswith(_FILE):
            return 1.0
        length = int.from_bytes(head[4:8], "little")
        return 0.95 if head.startswith(_STREAM) and 0 < length < 1 << 28 and length % 8 == 0 else 0.0

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one file; a stream is read as it comes, a file from a copy beside."""
        from loadlock.intake._arrow_reader import ArrowReader

        reader = ArrowReader(source, options)
        return ReadResult(parts=reader.parts(), report=reader.report)
