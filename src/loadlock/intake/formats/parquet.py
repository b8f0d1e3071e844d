"""Parquet files: typed columns as exact text, row group by row group."""

from __future__ import annotations

from typing import ClassVar

from loadlock.intake._arrow_options import BinaryOptions
from loadlock.intake.base import ByteSource, ReadResult, SourceOptions

_MAGIC = (b"PAR1", b"PARE")


class ParquetFormat:
    """A Parquet file. Rows are those of its row groups, in order; a damaged row group is one reject.

    `_row` counts rows and rejects, `_line` is the row's number in the file; there is no offset.
    """

    name: ClassVar[str] = "parquet"
    summary: ClassVar[str] = "Parquet files"
    extensions: ClassVar[tuple[str, ...]] = (".parquet", ".pq")
    reads_binary: ClassVar[bool] = True
    Options = BinaryOptions

    def sniff(self, head: bytes, name: str) -> float:
        """By the first four bytes."""
        return 1.0 if head.startswith(_MAGIC) else 0.0

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one file, from a copy beside: its table of contents stands at the end."""
        from loadlock.intake._parquet_reader import ParquetReader

        reader = ParquetReader(source, options)
        return ReadResult(parts=reader.parts(), report=reader.report)
