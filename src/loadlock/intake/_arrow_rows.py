"""Rows of Arrow batches, as Parquet and Arrow files give them, as raw parts.

Files without nested columns are staged as columns of text; with nested ones each row is staged as a JSON record, so
that flattening opens it as it opens JSON. A row whose values can't be read is one reject, its neighbours are rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadlock.errors import SourceError
from loadlock.intake._arrow_json import json_of, records
from loadlock.intake._arrow_options import BinaryOptions
from loadlock.intake._arrow_size import leaves, text_bytes, unfolded
from loadlock.intake._arrow_text import is_nested, plain, text_of
from loadlock.intake._row_parts import Places, RowParts
from loadlock.intake.base import ExpansionLimits, RawPart, SourceOptions
from loadlock.intake.headers import name_columns
from loadlock.model import FileReport, Problem, SourceFile
from loadlock.rows import JSON_RECORD

FAULTS = (pa.ArrowException, OSError, ValueError, OverflowError, KeyError, MemoryError)
"""What PyArrow raises for damaged files."""
LONG_TEXT, FREE_BYTES = 64 << 10, 1 << 30
"""Text a row from which on it counts as long, and how much of it any file may hold."""
BATCH_ROWS = 65_536
BATCH_BYTES = 4 << 20
"""Of values in memory, taken at once, about."""


class ArrowRows:
    """Takes the batches of one file in order."""

    def __init__(self, file: SourceFile, options: SourceOptions, own: BinaryOptions, schema: pa.Schema) -> None:
        self._limit = options.record_limit
        self._binary = own.binary
        self._naming = name_columns(schema.names)
        self.nested = any(is_nested(field.type) for field in schema)
        self._notes = [*self._naming.notes, *_type_notes(schema, own.binary)]
        self._file = file
        self._long_bytes = 0
        self.out = RowParts(file, options.part_bytes)
        self.out.columns = [JSON_RECORD] if self.nested else self._naming.names

    def take(self, batch: pa.RecordBatch, first: int) -> Iterator[RawPart]:
        """The parts that this batch fills; `first` is the 1-based number in the file of its first row.

        Raises ArrowInvalid where the batch as a whole is damaged: then none of it was taken.
        """
        batch.validate()
        step = max(1, min(BATCH_ROWS, batch.num_rows * BATCH_BYTES // max(batch.nbytes, 1)))
        for at in range(0, batch.num_rows, step):
            self._take(batch.slice(at, step), first + at)
            yield from self.out.full()

    def _take(self, batch: pa.RecordBatch, first: int) -> None:
        """Take the rows; where one can't be read, halves are tried, down to that row."""
        try:
            if self._is_much(batch):
                if batch.num_rows == 1:
                    self._too_long(first)
                    return
                raise MemoryError("it stands for more text than a record may have")
            batch = unfolded(batch)
            batch.validate(full=True)
            texts = self._texts(batch)
        except FAULTS as error:
            if batch.num_rows == 1:
                self._reject(batch, first, error)
                return
            half = batch.num_rows // 2
            self._take(batch.slice(0, half), first)
            self._take(batch.slice(half), first + half)
            return
        self._count(batch.num_rows, sum(text.nbytes for text in texts))
        if sum(text.nbytes for text in texts) > self._limit and batch.num_rows > 1:
            half = batch.num_rows // 2
            self._take(batch.slice(0, half), first)
            self._take(batch.slice(half), first + half)
        elif (size := sum(pc.sum(pc.binary_length(text)).as_py() or 0 for text in texts)) > self._limit:
            self._too_long(first, f"{size:,} bytes of text; the limit is {self._limit:,}")
        else:
            numbers = np.arange(batch.num_rows, dtype=np.int64)
            self.out.add(texts, Places(rows=numbers + self.out.next_row, lines=numbers + first))

    def _too_long(self, line: int, said: str = "") -> None:
        message = f"the row has {said or f'more than {self._limit:,} bytes of text'}"
        self.out.reject(Problem(code="record_too_long", message=message), line=line)

    def _is_much(self, batch: pa.RecordBatch) -> bool:
        """Whether the rows surely have more text than one record may: they must be halved before they are made into texts."""
        text = sum(text_bytes(column) for column in batch.columns)
        # a value in a list and its comma are two bytes
        return text > self._limit or 2 * sum(leaves(column) for column in batch.columns) > self._limit

    def _count(self, rows: int, size: int) -> None:
        """Hold the long texts that come out of the file against its own size: a dictionary may repeat them without end."""
        if size > rows * LONG_TEXT:
            self._long_bytes += size
        if self._long_bytes > max(FREE_BYTES, self._file.size_bytes * ExpansionLimits().ratio):
            raise SourceError(
                f"{self._file.path} unfolds {self._file.size_bytes:,} bytes to more than {self._long_bytes:,} of long texts:"
                " refused as a decompression bomb",
                hint="If it is meant to be so, split it, or write it without dictionaries.",
            )

    def _texts(self, batch: pa.RecordBatch) -> list[pa.Array]:
        if self.nested:
            return [records(batch.columns, self._naming.names, self._binary)]
        return [text_of(column, self._binary) for column in batch.columns]

    def _reject(self, batch: pa.RecordBatch, line: int, error: BaseException) -> None:
        """One row that can't be read: the values that can are kept with it."""
        values: dict[str, Any] = {}
        problem: Problem | None = None
        for name, column in zip(self._naming.names, batch.columns, strict=True):
            try:
                column.validate(full=True)
                values[name] = self._value(column)
            except FAULTS as fault:
                values[name] = _bytes_of(column)
                problem = problem or _unreadable(name, values[name], fault)
        problem = problem or Problem(code="unreadable_range", message=f"the row can't be read: {words(error)}")
        self.out.reject(problem, line=line, values=values, raw=json.dumps(values, ensure_ascii=False).encode())

    def _value(self, column: pa.Array) -> str | None:
        """The text of the only value of a column."""
        made = json_of if is_nested(column.type) else text_of
        text: str | None = made(column, self._binary)[0].as_py()
        return text

    def report(self, name: str, dialect: dict[str, Any], notes: Sequence[str] = ()) -> FileReport:
        """The file's report."""
        return FileReport(
            format=name,
            dialect=dialect,
            header=[] if self.nested else self._naming.names,
            received=self.out.staged + self.out.rejected,
            staged=self.out.staged,
            rejected=self.out.rejected,
            notes=[*self._notes, *notes],
        )


def _type_notes(schema: pa.Schema, binary: str) -> list[str]:
    """What a reader of the staged texts should know of their types."""
    found = []
    for field in schema:
        kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if "binary" in str(kind) and str(field.type) != "extension<arrow.uuid>":
            found.append(f"column {field.name!r} holds bytes ({kind}); they are staged by `binary: {binary}`")
        if pa.types.is_duration(kind):
            found.append(f"column {field.name!r} holds durations; they are staged as seconds")
    return found


def _unreadable(name: str, value: str | None, error: BaseException) -> Problem:
    said = words(error)
    code = "invalid_encoding" if "utf8" in said.lower().replace("-", "") else "unreadable_range"
    message = "the bytes are no valid UTF-8" if code == "invalid_encoding" else f"the value can't be read: {said}"
    return Problem(code=code, column=name, value=value, message=message)


def _bytes_of(column: pa.Array) -> str | None:
    """The bytes of a text that is none, in hexadecimal digits; None for anything else."""
    try:
        values = plain(column)
        octets = values.cast(pa.large_binary() if pa.types.is_large_string(values.type) else pa.binary())
        # offsets outside of their buffer must not be followed: that would end the process
        octets.validate(full=True)
        found = octets[0].as_py()
        return None if found is None else "\\x" + found.hex()
    except FAULTS:
        return None


def words(error: BaseException) -> str:
    """The first line of what the library says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
