"""One CSV file from bytes to raw parts: splitting in the caller's thread, parsing one batch behind in another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa

from loadlock import rows
from loadlock.errors import UsageError
from loadlock.intake._csv_framed import FramedMaker, without_edges
from loadlock.intake._csv_pieces import SAMPLE_BYTES
from loadlock.intake._csv_reader import CsvReader
from loadlock.intake._csv_spread import Spread
from loadlock.intake._csv_stream import open_stream
from loadlock.intake._csv_table import Batch, Layout, TableMaker, opened
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.intake.dialect import Dialect, find_dialect
from loadlock.intake.encoding import EncodingFound, detect
from loadlock.intake.headers import Naming, join_header_rows, name_columns, numbered_columns, without_comment_mark
from loadlock.model import ByteCount, FileReport

PART_ROWS = 200_000
"""Rows and rejects a part holds at most, about: very short rows would need much memory otherwise."""
_Tables = tuple[pa.Table, pa.Table]


class CsvFile:
    """Reads one file once. `report` is complete when `parts` is exhausted."""

    def __init__(self, source: ByteSource, options: SourceOptions) -> None:
        self._source = source
        self._options = options
        self._encoding, self._dialect = _look(source, options)
        stream = open_stream(source, self._encoding)
        self._reader = CsvReader(stream, self._dialect, options, fallback=self._encoding.fallback)
        self._stream_encoding = stream.encoding
        self._header_found: list[str] = []
        self._naming = Naming(names=[], notes=[])

    def parts(self) -> Iterator[RawPart]:
        """The file's parts in order. Closing the iterator early ends the helper thread."""
        fields = self._name_columns()
        if not fields:
            return
        layout = Layout(
            file=self._source.file,
            names=tuple(self._naming.names),
            shape=self._dialect.shape,
            encoding=self._stream_encoding,
            enclosed=self._dialect.enclosed,
        )
        frame = self._dialect.frame
        maker = TableMaker(layout) if frame is None else FramedMaker(layout, frame)
        empty = (maker.schema.empty_table(), rows.reject_schema().empty_table())
        group: list[_Tables] = []
        size = count = 0
        for tables, taken in self._made(maker):
            group.append(tables)
            size += taken
            count += sum(table.num_rows for table in tables)
            if size >= self._options.part_bytes or count >= PART_ROWS:
                yield _part(group, empty)
                group, size, count = [], 0, 0
        if group:
            yield _part(group, empty)

    def _made(self, maker: TableMaker | FramedMaker) -> Iterator[tuple[_Tables, int]]:
        """Tables of each batch and its source bytes; one batch is parsed while the next one is split."""
        with ThreadPoolExecutor(1, thread_name_prefix="csv-parse") as pool:
            pending: tuple[Future[_Tables], int] | None = None
            for batch in self._reader.batches():
                submitted = (pool.submit(maker.make, batch), _size(batch))
                if pending is not None:
                    yield pending[0].result(), pending[1]
                pending = submitted
            if pending is not None:
                yield pending[0].result(), pending[1]

    def _name_columns(self) -> int:
        """Read the header; returns the number of columns, 0 for a file without records."""
        reader = self._reader
        header = reader.open_table()
        if self._dialect.enclosed:
            header = [opened(pa.array(names), self._dialect.enclosed).to_pylist() for names in header]
        if header:
            found = join_header_rows(header) if len(header) > 1 else header[0]
            self._name(found if self._dialect.frame is None else without_edges(found, self._dialect.frame))
            named = [place for place, name in enumerate(found, 1) if name.strip()]
            least = len(found) if self._dialect.frame is not None else max(named, default=len(found))
            reader.want(len(found), least)
        elif self._dialect.names:
            self._name([*self._dialect.names])
            reader.want(len(self._dialect.names), len(self._dialect.names))
        elif reader.has_records():
            fields = self._dialect.fields
            self._naming = Naming(names=numbered_columns(fields), notes=[])
            reader.want(fields, fields)
        return len(self._naming.names)

    def _name(self, found: list[str]) -> None:
        self._header_found = found
        names, notes = without_comment_mark(found)
        self._naming = name_columns(names)
        self._naming = replace(self._naming, notes=[*notes, *self._naming.notes])

    def report(self) -> FileReport:
        """What was found and counted; raises BalanceError where the bytes' classes don't sum to what was read."""
        tally = self._reader.tally
        mixed = sum(sorted(tally.ends.values())[:-1])
        counts = {**tally.counts, **self._encoding.counts(), "mixed_record_ends": mixed}
        return FileReport(
            format="csv",
            encoding={**self._encoding.to_json(), "fallback_rows": tally.fallback_rows},
            dialect=self._dialect.to_json(),
            header=list(self._naming.names),
            header_found=self._header_found if self._header_found != self._naming.names else [],
            counts={name: count for name, count in sorted(counts.items()) if count},
            bytes=tally.bytes + ByteCount(framing=self._encoding.bom_bytes),
            received=tally.staged + tally.rejected,
            staged=tally.staged,
            rejected=tally.rejected,
            blank=tally.blank,
            notes=[*self._naming.notes, *self._reader.notes, *self._notes()],
        )

    def _notes(self) -> list[str]:
        tally = self._reader.tally
        notes = []
        if not self._naming.names:
            notes.append("the file holds no record")
        if self._dialect.tables:
            notes.append(next(reason for reason in self._dialect.reasons if reason.startswith("the file holds")))
        notes += [reason for reason in self._dialect.reasons if "with facts, no rows" in reason]
        if tally.rejected > tally.staged and tally.staged + tally.rejected > 10:
            notes.append(self._why_rejected())
        return notes

    def _why_rejected(self) -> str:
        """What to look at where most rows are rejects."""
        names, fields = len(self._header_found), self._dialect.fields
        if names and names != fields:
            return f"most rows are rejects: the header has {names} names, rows have {fields} fields; is it damaged?"
        return "most rows are rejects: look at delimiter, quote and header under `dialect`"


def _look(source: ByteSource, options: SourceOptions) -> tuple[EncodingFound, Dialect]:
    """Encoding and dialect, of the table that is wanted."""
    encoding, dialect = _look_once(source, options)
    if dialect.is_whole or options.table in (None, 1) or options.preamble is not None:
        return encoding, dialect
    line = _table_line(source, encoding, dialect, options)
    return encoding, find_dialect(source, encoding.name, replace(options, table=1, preamble=line - 1))


def _table_line(source: ByteSource, encoding: EncodingFound, dialect: Dialect, options: SourceOptions) -> int:
    """The line at which the wanted one of several tables begins, in a file too long to be looked at as a whole."""
    reader = CsvReader(open_stream(source, encoding), dialect, replace(options, table=None), fallback=encoding.fallback)
    header = reader.open_table()
    fields = len(join_header_rows(header)) if header else dialect.fields
    reader.want(fields, fields)
    for _ in reader.batches():
        pass
    lines = reader.further.lines if reader.further is not None else []
    wanted = (options.table or 1) - 2
    if not 0 <= wanted < len(lines):
        raise UsageError(
            f"table {options.table} is asked for, but the file seems to hold {len(lines) + 1}",
            hint="Choose one of them by `table:`.",
        )
    return lines[wanted]


def _look_once(source: ByteSource, options: SourceOptions) -> tuple[EncodingFound, Dialect]:
    """Encoding and dialect of the file as a whole, at the same time where that can be."""
    if len(source.sample(SAMPLE_BYTES)) == 1 and len(source.head(SAMPLE_BYTES)) >= SAMPLE_BYTES:
        spread = Spread(source)
        encoding = detect(spread, options)
        return encoding, find_dialect(spread, encoding.name, options)
    # as if the file were UTF-8, as it mostly is
    with ThreadPoolExecutor(1, thread_name_prefix="csv-dialect") as pool:
        likely = pool.submit(find_dialect, source, "utf-8", options)
        encoding = detect(source, options)
    dialect = likely.result() if encoding.name == "utf-8" else find_dialect(source, encoding.name, options)
    return encoding, dialect


def _size(batch: Batch) -> int:
    return batch.records.consumed


def _part(group: list[_Tables], empty: _Tables) -> RawPart:
    """Batches that follow one another, as one part."""
    tables = [pa.concat_tables([first, *(entry[kind] for entry in group)]) for kind, first in enumerate(empty)]
    return RawPart(rows=tables[0], rejects=tables[1])
