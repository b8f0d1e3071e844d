"""Reads one Parquet file in batches of a few megabytes, whatever the size of its row groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from loadlock.errors import SourceError
from loadlock.intake._arrow_options import BinaryOptions
from loadlock.intake._arrow_rows import BATCH_BYTES, BATCH_ROWS, FAULTS, ArrowRows, words
from loadlock.intake._options import own_options
from loadlock.intake._parquet_pages import Chunk, chunks_of, too_much
from loadlock.intake._spool import spooled
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.model import FileReport, Problem

NAME = "parquet"
_READ_BYTES = 1 << 20
"""Bytes of a column read at once."""


class ParquetReader:
    """Reads one file once."""

    def __init__(self, source: ByteSource, options: SourceOptions) -> None:
        self._source = source
        self._options = options
        self._own = own_options(BinaryOptions, options)
        self._rows: ArrowRows | None = None
        self._groups = 0
        self._chunks: list[list[Chunk]] = []

    def report(self) -> FileReport:
        if self._rows is None:
            return FileReport(format=NAME, notes=["the file is empty"])
        return self._rows.report(NAME, {"row_groups": self._groups})

    def parts(self) -> Iterator[RawPart]:
        with spooled(self._source) as file:
            if not file.seek(0, 2):
                return
            opened = self._open(file)
            rows = self._rows = ArrowRows(self._source.file, self._options, self._own, opened.schema_arrow)
            first = 1
            self._groups = opened.num_row_groups
            for group in range(opened.num_row_groups):
                expected = max(0, opened.metadata.row_group(group).num_rows)
                if fault := too_much(file, self._chunks[group]):
                    self._refuse(group, first, expected, fault)
                else:
                    yield from self._group(opened, group, first, expected)
                first += expected
            yield from rows.out.full(final=True)

    def _open(self, file: IO[bytes]) -> Any:
        path = self._source.file.path
        file.seek(0)
        if file.read(4) == b"PARE":
            raise _encrypted(path)
        try:
            self._chunks = chunks_of(file)
            # a short dictionary may stand for gigabytes of text: it is kept until what it stands for was measured
            texts = {".".join(chunk.path) for group in self._chunks for chunk in group if chunk.is_short}
            opened = pq.ParquetFile(
                file,
                buffer_size=_READ_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
                read_dictionary=sorted(texts),
            )
            if opened.num_row_groups != len(self._chunks):
                raise ValueError("its footer is damaged")
            return opened
        except FAULTS as error:
            if "encrypt" in str(error).lower():
                raise _encrypted(path) from error
            raise SourceError(
                f"{path} is no whole Parquet file: {words(error)}", hint="It is damaged or cut off: fetch it again."
            ) from error

    def _group(self, opened: Any, group: int, first: int, expected: int) -> Iterator[RawPart]:
        """The rows of one group; where they end early or can't be read, one reject stands for the rest of them."""
        rows = self._rows
        assert rows is not None
        taken = 0
        try:
            size = opened.metadata.row_group(group).total_byte_size
            step = max(1, min(BATCH_ROWS, BATCH_BYTES * max(expected, 1) // max(size, 1)))
            for batch in opened.iter_batches(batch_size=step, row_groups=[group], use_threads=False):
                yield from rows.take(batch, first + taken)
                taken += batch.num_rows
            if taken != expected:
                raise pa.ArrowInvalid(f"it holds {taken:,} rows and says that it holds {expected:,}")
        except FAULTS as error:
            if "encrypt" in str(error).lower():
                raise _encrypted(self._source.file.path) from error
            self._refuse(group, first, expected, words(error), taken)

    def _refuse(self, group: int, first: int, expected: int, why: str, taken: int = 0) -> None:
        """One reject for what is left of a row group."""
        assert self._rows is not None
        message = (
            f"row group {group + 1} (rows {first:,} to {first + expected - 1:,}) can't be read from row"
            f" {first + taken:,} on: {why}"
        )
        problem = Problem(code="unreadable_range", message=message)
        # where its bytes lie is not said: asking damaged metadata for a column can end the process
        self._rows.out.reject(problem, line=first + taken)


def _encrypted(path: str) -> SourceError:
    return SourceError(f"{path} is an encrypted Parquet file", hint="Ask the sender for one that is not encrypted.")
