"""Collects the records of a JSON file into raw parts, and counts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from loadlock import rows as names
from loadlock.intake.base import RawPart
from loadlock.intake.decode import Positions
from loadlock.model import ByteCount, FileReport, Problem, SourceFile, Stage


@dataclass
class Tally:
    """What was counted so far."""

    staged: int = 0
    rejected: int = 0
    blank: int = 0
    fallback_rows: int = 0
    row_bytes: int = 0
    reject_bytes: int = 0
    blank_bytes: int = 0
    notes: list[str] = field(default_factory=list)

    def report(self, name: str, *, encoding: dict[str, Any], preamble: int, size: int) -> FileReport:
        """The file's report; `size` is that of the whole file, `preamble` of its byte order mark."""
        accounted = self.row_bytes + self.reject_bytes + self.blank_bytes + preamble
        return FileReport(
            format=name,
            encoding={**encoding, "fallback_rows": self.fallback_rows},
            bytes=ByteCount(
                rows=self.row_bytes,
                rejects=self.reject_bytes,
                blank=self.blank_bytes,
                preamble=preamble,
                framing=size - accounted,
            ),
            received=self.staged + self.rejected,
            staged=self.staged,
            rejected=self.rejected,
            blank=self.blank,
            notes=list(self.notes),
        )


@dataclass(frozen=True, kw_only=True)
class Records:
    """Good records of one window, in file order; all arrays of one length."""

    text: bytes
    """UTF-8 of all of them, one behind the other."""
    sizes: Positions
    """Bytes of each in `text`."""
    rows: Positions
    lines: Positions
    offsets: Positions
    lengths: Positions
    encodings: dict[int, str] = field(default_factory=dict)
    """Place in this list → encoding, where it is not the file's."""


_NUMBERS = ("rows", "lines", "offsets", "lengths")


class PartBuilder:
    """Takes records and rejects in file order, gives parts."""

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._records: list[Records] = []
        self._rejects: list[dict[str, Any]] = []
        self.tally = Tally()
        self.pending_bytes = 0
        """Source bytes of what was taken since the last part."""

    @property
    def next_row(self) -> int:
        """The number of the next row or reject."""
        return self.tally.staged + self.tally.rejected + 1

    def add(self, records: Records) -> None:
        """Take good records."""
        if not len(records.rows):
            return
        self._records.append(records)
        size = int(records.lengths.sum())
        self.tally.staged += len(records.rows)
        self.tally.fallback_rows += len(records.encodings)
        self.tally.row_bytes += size
        self.pending_bytes += size

    def reject(self, problem: Problem, *, row: int, line: int, offset: int, length: int, raw: bytes) -> None:
        """Take a reject; `raw` may be only the start of it, `length` is that of all its bytes."""
        entry = names.reject(
            problems=[problem],
            stage=Stage.INTAKE,
            file_index=self._file.index,
            source_file=self._file.name,
            row=row,
            line=line,
            offset=offset,
            length=length,
            raw=raw,
        )
        entry["raw_truncated"] = length > len(entry["raw"])
        self._rejects.append(entry)
        self.tally.rejected += 1
        self.tally.reject_bytes += length
        self.pending_bytes += length

    def take(self) -> RawPart:
        """All that was taken since the last part, as a part; possibly empty."""
        records, rejects = self._records, self._rejects
        self._records, self._rejects, self.pending_bytes = [], [], 0
        return RawPart(rows=_table(records, self._file.name), rejects=names.reject_table(rejects))

    @property
    def is_empty(self) -> bool:
        return not self._records and not self._rejects


def _table(records: list[Records], source_file: str) -> pa.Table:
    schema = pa.schema([pa.field(names.JSON_RECORD, pa.string()), *names.provenance_fields()])
    if not records:
        return schema.empty_table()
    count = sum(len(some.rows) for some in records)
    source = pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), pa.array([source_file], pa.string()))
    columns = [
        _strings(records, count),
        source,
        *(pa.array(np.concatenate([getattr(some, name) for some in records])) for name in _NUMBERS),
        _encodings(records, count),
    ]
    return pa.table(columns, schema=schema)


def _strings(records: list[Records], count: int) -> pa.Array:
    """The texts as one array. They are valid UTF-8: each was parsed."""
    ends = np.zeros(count + 1, dtype=np.int32)
    np.cumsum(np.concatenate([some.sizes for some in records]), out=ends[1:])
    data = b"".join([some.text for some in records])
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(data))


def _encodings(records: list[Records], count: int) -> pa.Array:
    if not any(some.encodings for some in records):
        return pa.nulls(count, pa.string())
    found = [some.encodings.get(place) for some in records for place in range(len(some.rows))]
    return pa.array(found, pa.string())
