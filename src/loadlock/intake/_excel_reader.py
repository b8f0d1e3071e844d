"""Reads the table of one sheet of a workbook: rows of text with their row numbers in the sheet."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator
from itertools import chain, islice
from typing import IO

import numpy as np
import pyarrow as pa

from loadlock.intake._excel_cells import Cell, Kind, Sheet, SheetRow, date_text
from loadlock.intake._excel_choice import encrypted
from loadlock.intake._excel_ods import OdsSheet
from loadlock.intake._excel_options import ExcelOptions
from loadlock.intake._excel_top import LOOK_ROWS, Top, find_top
from loadlock.intake._excel_xls import XlsSheet
from loadlock.intake._excel_xlsx import XlsxSheet
from loadlock.intake._options import own_options
from loadlock.intake._row_parts import Places, RowParts
from loadlock.intake._spool import spooled
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.model import FileReport, Problem

NAME = "excel"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_BATCH_CELLS = 100_000


class ExcelReader:
    """Reads one workbook once."""

    def __init__(self, source: ByteSource, options: SourceOptions) -> None:
        self._source = source
        self._options = options
        self._own = own_options(ExcelOptions, options)
        self._out = RowParts(source.file, options.part_bytes)
        self._sheet: Sheet | None = None
        self._top: Top | None = None
        self._serial: frozenset[int] = frozenset()
        self._counts: Counter[str] = Counter()
        self._blank = 0
        self._cells: list[dict[int, Cell]] = []
        self._lines: list[int] = []

    def parts(self) -> Iterator[RawPart]:
        """The parts in the sheet's order. SourceError for a workbook that can't be opened."""
        with spooled(self._source) as file:
            if not file.seek(0, 2):
                return
            self._sheet = self._open(file)
            rows = (row for row in self._sheet.rows() if row.cells)
            head = list(islice(rows, LOOK_ROWS))
            self._top = find_top(head, self._options)
            self._begin(self._top)
            yield from self._records(chain(head[self._top.taken :], rows))
            if self._sheet.facts.fault:
                self._lose(self._sheet.facts.fault)
            yield from self._out.full(final=True)

    def _open(self, file: IO[bytes]) -> Sheet:
        file.seek(0)
        head = file.read(1 << 16)
        path, wanted = self._source.file.path, self._options.sheet
        if head.startswith(_OLE):
            file.seek(0)
            # the names of an encrypted .xlsx stand in the container's directory, wherever that lies
            if _ENCRYPTED in head or _ENCRYPTED in file.read(32 << 20):
                raise encrypted(path)
            file.seek(0)
            return XlsSheet(file, path, wanted, self._own)
        file.seek(0)
        kind = OdsSheet if b"opendocument.spreadsheet" in head[:200] else XlsxSheet
        return kind(file, path, wanted, self._own)

    def _begin(self, top: Top) -> None:
        self._out.columns = top.naming.names
        wanted = set(self._own.serial_dates)
        self._serial = frozenset(place for place, name in enumerate(top.naming.names) if name in wanted)
        self._before = top.preamble + top.header

    def _records(self, rows: Iterator[SheetRow]) -> Iterator[RawPart]:
        """Take the rows but for the footer's."""
        waiting: deque[SheetRow] = deque()
        at_once = max(1, _BATCH_CELLS // max(len(self._out.columns), 1))
        for row in rows:
            waiting.append(row)
            if len(waiting) <= (self._options.footer or 0):
                continue
            self._take(waiting.popleft())
            if len(self._lines) >= at_once:
                self._hand_on()
                yield from self._out.full()
        self._hand_on()

    def _take(self, row: SheetRow) -> None:
        top = self._top
        assert top is not None
        self._blank += max(0, row.number - self._before - 1)
        self._before = row.number
        self._counts["hidden_rows"] += row.hidden
        cells = {column - top.first: cell for column, cell in row.cells.items()}
        if (problem := self._problem(cells, row.number)) is not None:
            self._hand_on()
            shown = {_place(column + top.first, row.number): cell.text for column, cell in sorted(cells.items())}
            raw = json.dumps(shown, ensure_ascii=False).encode()
            values = {name: cells[place].text for place, name in enumerate(self._out.columns) if place in cells}
            self._out.reject(problem, line=row.number, values=values, raw=raw)
            return
        self._cells.append(cells)
        self._lines.append(row.number)

    def _problem(self, cells: dict[int, Cell], number: int) -> Problem | None:
        """Why the row can't be staged; cells that are tolerated away are dropped."""
        assert self._top is not None
        names, first = self._out.columns, self._top.first
        outside = [column for column in cells if not 0 <= column < len(names)]
        if outside and "drop_extra" in self._options.tolerate:
            for column in outside:
                del cells[column]
            self._counts["dropped_cells"] += len(outside)
        elif outside:
            place = _place(outside[0] + first, number)
            return Problem(
                code="field_count",
                value=cells[outside[0]].text,
                message=f"cell {place} stands outside of the table's {len(names)} columns",
            )
        size = 0
        for column, cell in cells.items():
            size += len(cell.text)
            if cell.kind is Kind.ERROR:
                self._counts["error_cells"] += 1
            elif cell.kind is Kind.NO_VALUE:
                place = _place(column + first, number)
                message = f"the formula in cell {place} has no stored value: open the workbook and save it"
                return Problem(code="formula_without_value", column=names[column], message=message)
            elif cell.kind is Kind.NUMBER and column in self._serial:
                date = date_text(cell.text, "date", epoch_1904=self._epoch_1904)
                if date is not None:
                    cells[column] = Cell(date, Kind.DATE)
        if size > self._options.record_limit:
            message = f"the row has {size:,} characters; the limit is {self._options.record_limit:,}"
            return Problem(code="record_too_long", message=message)
        return None

    @property
    def _epoch_1904(self) -> bool:
        return self._sheet is not None and self._sheet.facts.epoch_1904

    def _hand_on(self) -> None:
        """Give the rows taken so far to the parts."""
        if not self._lines:
            return
        columns = []
        for place in range(len(self._out.columns)):
            found = (cells.get(place) for cells in self._cells)
            columns.append(pa.array([cell.text if cell else None for cell in found], pa.string()))
        first = self._out.next_row
        places = Places(
            rows=np.arange(first, first + len(self._lines), dtype=np.int64), lines=np.array(self._lines, dtype=np.int64)
        )
        self._out.add(columns, places)
        self._cells, self._lines = [], []

    def _lose(self, fault: str) -> None:
        message = f"the sheet's XML can't be read behind row {self._before:,}: {fault}"
        self._out.reject(Problem(code="unreadable_range", message=message), line=self._before + 1)

    def report(self) -> FileReport:
        """The file's report: the sheet, its header, and what is hidden."""
        if self._sheet is None or self._top is None:
            return FileReport(format=NAME, notes=["the file is empty"])
        top, facts = self._top, self._sheet.facts
        counts = {**self._counts, "merged_ranges": facts.merged, "hidden_columns": facts.hidden_columns}
        return FileReport(
            format=NAME,
            dialect={
                "sheet": facts.name,
                "header": top.header,
                "preamble": top.preamble,
                "dates_from": 1904 if facts.epoch_1904 else 1900,
                "hidden_sheets": facts.hidden_sheets,
                "reasons": [f"sheet: {facts.name!r}", *top.reasons],
            },
            header=top.naming.names,
            header_found=top.found if top.found and top.found != top.naming.names else [],
            counts={name: count for name, count in sorted(counts.items()) if count},
            received=self._out.staged + self._out.rejected,
            staged=self._out.staged,
            rejected=self._out.rejected,
            blank=self._blank,
            notes=[*top.naming.notes, *self._notes()],
        )

    def _notes(self) -> list[str]:
        assert self._sheet is not None
        facts, notes = self._sheet.facts, []
        if facts.others:
            listed = ", ".join(
                f"{name!r}{' (hidden)' if name in facts.hidden_sheets else ''}" for name in facts.others[:10]
            )
            notes.append(f"sheet {facts.name!r} is read; not read: {listed}")
        if facts.name in facts.hidden_sheets:
            notes.append(f"sheet {facts.name!r} is hidden")
        if hidden := self._counts["hidden_rows"]:
            notes.append(f"hidden rows: {hidden:,}; they are read as the others")
        if facts.hidden_columns:
            notes.append(f"hidden columns: {facts.hidden_columns:,}; they are read as the others")
        if facts.merged and self._own.merged == "first":
            notes.append(
                f"merged ranges: {facts.merged:,}; their value stands in the first cell (`merged: fill` repeats it)"
            )
        if errors := self._counts["error_cells"]:
            notes.append(f"cells with errors such as #N/A: {errors:,}; they are staged as these texts")
        missing = set(self._own.serial_dates) - set(self._out.columns)
        notes.extend(f"serial_dates names {name!r}, which is no column" for name in sorted(missing))
        return notes


def _place(column: int, row: int) -> str:
    """`C7` for 0-based column 2 and row 7."""
    letters, column = "", column + 1
    while column > 0:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{letters}{row}"
