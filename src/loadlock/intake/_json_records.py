"""Collects the records of a JSON file into raw parts, and counts them."""

from __future__ import annotations

from collections.abc import Iterator
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
            notes=[] if self.staged + self.rejected else ["the file holds no records"],
        )


@dataclass(frozen=True, kw_only=True)
class Records:
    """Good records of one window, in file order; all arrays of one length."""

    text: bytes | pa.Buffer
    """UTF-8 of all of them, one behind the other."""
    sizes: Positions
    """Bytes of each in `text`."""
    rows: Positions
    lines: Positions
    offsets: Positions
    lengths: Positions
    encodings: dict[int, str] = field(default_factory=dict)
    """Place in this list → encoding, where it is not the file's."""


PART_REJECTS = 20_000
"""Rejects a part holds at most, about: they take far more memory than their bytes."""
_NUMBERS = ("rows", "lines", "offsets", "lengths")


class PartBuilder:
    """Takes records and rejects in file order, gives parts."""

    def __init__(self, file: SourceFile, part_bytes: int, *, sound: bool) -> None:
        """`sound`: every record that will be added is valid JSON, without NaN and the like."""
        self._file = file
        self._sound = sound
        # half of a record are its names: a part of as many bytes as others would hold too few rows for what each part costs
        self._part_bytes = part_bytes * 3 // 2
        self._records: list[Records] = []
        self._rejects: list[dict[str, Any]] = []
        self.tally = Tally()
        self._pending_bytes = 0

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
        self._pending_bytes += size

    def reject(self, problem: Problem, *, row: int, line: int, offset: int, length: int, raw: bytes) -> None:
        """Take a reject; `raw` may be only the start of it, `length` is that of all its bytes."""
        entry = names.reject(
            names.Place(
                file=self._file.index,
                source_file=self._file.name,
                row=row,
                line=line,
                offset=offset,
                length=length,
            ),
            problems=[problem],
            stage=Stage.INTAKE,
            raw=raw,
        )
        entry["raw_truncated"] = length > len(entry["raw"])
        self._rejects.append(entry)
        self.tally.rejected += 1
        self.tally.reject_bytes += length
        self._pending_bytes += length

    def full_parts(self, *, final: bool = False) -> Iterator[RawPart]:
        """The parts that are full; with `final` also the last one."""
        if not final and self._pending_bytes < self._part_bytes and len(self._rejects) < PART_REJECTS:
            return
        records, rejects = self._records, self._rejects
        self._records, self._rejects, self._pending_bytes = [], [], 0
        if records or rejects:
            table = _table(records, self._file.name).replace_schema_metadata(names.SOUND if self._sound else None)
            yield from _cut(table, names.reject_table(rejects), self._part_bytes)


def _cut(rows: pa.Table, rejects: pa.Table, part_bytes: int) -> Iterator[RawPart]:
    """Slices of about `part_bytes` source bytes each, by row number; mostly there is only one."""
    numbers = np.concatenate([rows[names.ROW].to_numpy(), rejects[names.ROW].to_numpy()])
    lengths = np.concatenate([rows[names.LENGTH].to_numpy(), rejects[names.LENGTH].to_numpy()])
    order = np.argsort(numbers, kind="stable")
    # evenly, so that none is a mere rest; a block more than a part is one part
    size = max(1, int(lengths.sum()) // max(1, round(int(lengths.sum()) / part_bytes))) + 1
    slices = (np.cumsum(lengths[order]) - 1) // size
    last = [*numbers[order][np.flatnonzero(np.diff(slices))].tolist(), int(numbers.max())]
    row_numbers, reject_numbers = rows[names.ROW].to_numpy(), rejects[names.ROW].to_numpy()
    row, reject = 0, 0
    for number in last:
        row_end, reject_end = (int(np.searchsorted(kind, number, "right")) for kind in (row_numbers, reject_numbers))
        yield RawPart(rows=rows.slice(row, row_end - row), rejects=rejects.slice(reject, reject_end - reject))
        row, reject = row_end, reject_end


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
