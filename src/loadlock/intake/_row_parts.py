"""Collects the rows and rejects of a file that comes as columns of text into raw parts, and counts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from loadlock import rows as names
from loadlock.intake._json_records import PART_REJECTS
from loadlock.intake.base import RawPart
from loadlock.intake.decode import Positions
from loadlock.model import Problem, SourceFile, Stage

PART_ROWS = 200_000
"""Rows and rejects a part holds at most, about: very short rows would need much memory otherwise."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where rows stand in their file; all of one length. None: the format has no such place."""

    rows: Positions
    lines: Positions
    offsets: Positions | None = None
    lengths: Positions | None = None
    encodings: pa.Array | None = None


class RowParts:
    """Takes rows and rejects in file order, gives parts."""

    def __init__(self, file: SourceFile, part_bytes: int) -> None:
        self._file = file
        self._part_bytes = part_bytes
        self._tables: list[pa.Table] = []
        self._rejects: list[dict[str, Any]] = []
        self._pending_bytes = 0
        self._pending_rows = 0
        self.columns: Sequence[str] = ()
        """Names of the value columns; set before the first row."""
        self.staged = 0
        self.rejected = 0

    @property
    def next_row(self) -> int:
        """The number of the next row or reject."""
        return self.staged + self.rejected + 1

    def add(self, columns: Sequence[pa.Array], places: Places) -> None:
        """Take rows: one string array for each of `columns`."""
        count = len(places.rows)
        if not count:
            return
        source = pa.DictionaryArray.from_arrays(
            np.zeros(count, dtype=np.int32), pa.array([self._file.name], pa.string())
        )
        table = pa.table(
            [
                *columns,
                source,
                pa.array(places.rows, pa.int64()),
                pa.array(places.lines, pa.int64()),
                _numbers(places.offsets, count),
                _numbers(places.lengths, count),
                pa.nulls(count, pa.string()) if places.encodings is None else places.encodings,
            ],
            schema=self._schema(),
        )
        self._tables.append(table)
        self.staged += count
        self._pending_rows += count
        self._pending_bytes += sum(column.nbytes for column in columns)

    def reject(
        self,
        problem: Problem,
        *,
        line: int | None,
        row: int | None = None,
        offset: int | None = None,
        length: int | None = None,
        values: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
    ) -> None:
        """Take a reject; `raw` may be only the start of it, `length` is that of all its bytes."""
        entry = names.reject(
            names.Place(
                file=self._file.index,
                source_file=self._file.name,
                row=self.next_row if row is None else row,
                line=line,
                offset=offset,
                length=length,
            ),
            problems=[problem],
            stage=Stage.INTAKE,
            values=values,
            raw=raw,
        )
        if length is not None and raw is not None:
            entry["raw_truncated"] = length > len(entry["raw"])
        self._rejects.append(entry)
        self.rejected += 1
        self._pending_rows += 1
        self._pending_bytes += len(raw or b"")

    def full(self, *, final: bool = False) -> Iterator[RawPart]:
        """The part, if it is full; with `final` whatever is there."""
        room = self._pending_bytes < self._part_bytes and self._pending_rows < PART_ROWS
        if not final and room and len(self._rejects) < PART_REJECTS:
            return
        if not self._pending_rows:
            return
        table = pa.concat_tables(self._tables) if self._tables else self._schema().empty_table()
        rejects = names.reject_table(self._rejects)
        self._tables, self._rejects = [], []
        self._pending_bytes = self._pending_rows = 0
        yield RawPart(rows=table, rejects=rejects)

    def _schema(self) -> pa.Schema:
        return pa.schema([*(pa.field(name, pa.string()) for name in self.columns), *names.provenance_fields()])


def _numbers(values: Positions | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.int64()) if values is None else pa.array(values, pa.int64())
