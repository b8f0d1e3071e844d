"""A sheet, or a range of it, read as rows of text: numbers with all their digits, dates as they are shown."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import quote

import orjson

from loadlock.errors import RefusedError, UsageError
from loadlock.sheets.address import GID, Address, letters, quoted, written
from loadlock.sheets.wire import ENDPOINT, Wire, connect

PORTION_CELLS = 180_000
PER_MINUTE = 48
"""Requests of one account; Google allows 60."""
HEAD_ROWS = 20
"""The widest of the first rows says how many columns there are."""
_CELL = re.compile(r"([A-Za-z]*)(\d*)\Z")
_HOW = {"valueRenderOption": "UNFORMATTED_VALUE", "dateTimeRenderOption": "FORMATTED_STRING", "majorDimension": "ROWS"}
Line = list[str]


class ChangedMeanwhileError(Exception):
    """Somebody edited the sheet while it was read: read it again."""


@dataclass(frozen=True, kw_only=True)
class Area:
    """A rectangle of a sheet: 0-based, ends exclusive."""

    title: str
    row: int
    end_row: int
    column: int
    end_column: int

    def slices(self) -> Iterator[tuple[str, int]]:
        """Ranges in A1 notation, and how many rows each has."""
        step = max(100, PORTION_CELLS // max(1, self.end_column - self.column))
        for start in range(self.row, self.end_row, step):
            end = min(self.end_row, start + step)
            corners = f"{letters(self.column)}{start + 1}:{letters(self.end_column - 1)}{end}"
            yield f"{quoted(self.title)}!{corners}", end - start


def open_sheet(address: Address) -> Wire:
    """A wire to the spreadsheet, with the machine's credentials."""
    # another API than Google's, for tests, needs no consideration
    per_minute = 0 if os.environ.get(ENDPOINT) else PER_MINUTE
    return connect(address.spreadsheet, credentials=None, endpoint=None, per_minute=per_minute)


def area_of(wire: Wire, address: Address) -> Area:
    """The rectangle that an address names; without a sheet's name it is in the first sheet. Raises RefusedError."""
    found = wire.get("", {"fields": "sheets(properties(sheetId,title,sheetType,gridProperties(rowCount,columnCount)))"})
    tabs = [sheet["properties"] for sheet in found.get("sheets", ())]
    tab = _tab(tabs, address.sheet)
    if tab is None or tab.get("sheetType", "GRID") != "GRID":
        names = ", ".join(repr(one["title"]) for one in tabs if not one["title"].startswith("__loadlock_"))
        raise RefusedError(f"{written(address)}: there is no such sheet of cells", hint=f"The spreadsheet has {names}.")
    grid = tab.get("gridProperties", {})
    rows, columns = grid.get("rowCount", 0), grid.get("columnCount", 0)
    first, last = _corners(address.cells)
    return Area(
        title=tab["title"],
        row=min(first[0] or 0, rows),
        end_row=min(rows if last[0] is None else last[0] + 1, rows),
        column=min(first[1] or 0, columns),
        end_column=min(columns if last[1] is None else last[1] + 1, columns),
    )


def _tab(tabs: list[dict[str, Any]], sheet: str | None) -> dict[str, Any] | None:
    if sheet is None:
        return tabs[0] if tabs else None
    numbered = GID.match(sheet)
    for tab in tabs:
        if tab["title"].casefold() == sheet.casefold():
            return tab
    return next((tab for tab in tabs if numbered and tab.get("sheetId", 0) == int(numbered[1])), None)


def _corners(cells: str | None) -> tuple[tuple[int | None, int | None], tuple[int | None, int | None]]:
    """Row and column of the first and of the last cell of a range; None where it is open."""
    if cells is None:
        return (None, None), (None, None)
    start, colon, end = cells.partition(":")
    return _corner(start, cells), _corner(end if colon else start, cells)


def _corner(text: str, cells: str) -> tuple[int | None, int | None]:
    match = _CELL.match(text)
    if match is None or match[2] == "0" or not text:
        raise UsageError(f"{cells!r} is no range of cells", hint="Write it as in A1:F200, A:F or A2:F.")
    column = 0
    for letter in match[1].upper():
        column = 26 * column + ord(letter) - 64
    return (int(match[2]) - 1 if match[2] else None), (column - 1 if match[1] else None)


def lines(wire: Wire, area: Area) -> Iterator[Line]:
    """The rows, each without the empty cells at its end; empty ones at the end of the sheet are left out.

    Of several portions a second reading must find the same: raises ChangedMeanwhileError.
    """
    blank, marks = 0, []
    for name, count in area.slices():
        rows = _read(wire, name)
        marks.append((name, _mark(rows)))
        for index in range(count):
            line = _trimmed([_text(value) for value in rows[index]]) if index < len(rows) else []
            if not line:
                blank += 1
                continue
            yield from ([] for _ in range(blank))
            blank = 0
            yield line
    if len(marks) > 1 and any(_mark(_read(wire, name)) != mark for name, mark in marks):
        raise ChangedMeanwhileError


def _read(wire: Wire, name: str) -> list[list[Any]]:
    found: list[list[Any]] = wire.get(f"/values/{quote(name, safe='')}", _HOW).get("values", [])
    return found


def _mark(rows: list[list[Any]]) -> bytes:
    return hashlib.sha256(orjson.dumps(rows)).digest()


def _text(value: Any) -> str:
    """A cell as a CSV file would hold it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return value if isinstance(value, str) else repr(value)


def _trimmed(line: Line) -> Line:
    while line and not line[-1]:
        line.pop()
    return line


def csv_blocks(wire: Wire, area: Area) -> Iterator[bytes]:
    """The sheet as a CSV file in UTF-8: one line a row, empty rows as empty lines.

    Rows are filled up to the widest of the first ones; a longer one is longer in the file too.
    """
    rows = lines(wire, area)
    head = [line for _, line in zip(range(HEAD_ROWS), rows, strict=False)]
    width = max(map(len, head), default=0)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for line in chain(head, rows):
        if line:
            writer.writerow([*line, *[""] * (width - len(line))])
        else:
            buffer.write("\n")
        if buffer.tell() > 1 << 20:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()
