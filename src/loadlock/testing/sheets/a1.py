"""A1 notation: `'Bob''s'!B2:C`, columns by letters, and rectangles of cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from loadlock.testing.sheets.errors import bad, unknown

_CELL = re.compile(r"\$?([A-Za-z]{1,3})?\$?([1-9][0-9]*)?$")
_PLAIN_TITLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
_LOOKS_LIKE_CELL = re.compile(r"(?:[A-Za-z]{1,3}[0-9]+|[Rr][0-9]*[Cc][0-9]*)$")
_R1C1 = re.compile(r"R(\[?-?\d*\]?)C(\[?-?\d*\]?)(:R(\[?-?\d*\]?)C(\[?-?\d*\]?))?$")


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of cells: 0-based, ends exclusive."""

    row: int
    end_row: int
    column: int
    end_column: int

    @property
    def rows(self) -> int:
        return max(0, self.end_row - self.row)

    @property
    def columns(self) -> int:
        return max(0, self.end_column - self.column)

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    def touches(self, other: Box) -> bool:
        return (
            self.row < other.end_row
            and other.row < self.end_row
            and self.column < other.end_column
            and other.column < self.end_column
        )

    def within(self, other: Box) -> bool:
        return (
            other.row <= self.row
            and self.end_row <= other.end_row
            and other.column <= self.column
            and self.end_column <= other.end_column
        )


@dataclass(frozen=True, slots=True)
class Area:
    """A range as written: None = open at that side."""

    row: int | None = None
    end_row: int | None = None
    column: int | None = None
    end_column: int | None = None
    anchor: bool = False
    """One cell was named: for writing, the upper left corner."""


@lru_cache(maxsize=4096)
def letters(column: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


def number(text: str) -> int:
    """A → 0, AA → 26."""
    value = 0
    for letter in text.upper():
        value = value * 26 + ord(letter) - 64
    return value - 1


def quoted(title: str) -> str:
    """A tab's title as it stands before `!`: quoted where it would be read as something else."""
    if _PLAIN_TITLE.match(title) and not _LOOKS_LIKE_CELL.match(title):
        return title
    return "'" + title.replace("'", "''") + "'"


def written(title: str, box: Box) -> str:
    """`Tab!A1:B2`, or `Tab!A1` for one cell."""
    start = f"{letters(box.column)}{box.row + 1}"
    end = f"{letters(box.end_column - 1)}{box.end_row}"
    return f"{quoted(title)}!{start}" + ("" if start == end else f":{end}")


def split(text: str) -> tuple[str | None, str | None]:
    """Title and cells of a range, either may be missing: `Tab!A1`, `'A tab'`, `A1:B2`, `Tab`."""
    if text.startswith("'"):
        match = re.match(r"'((?:[^']|'')*)'(?:!(.*))?$", text, re.DOTALL)
        if match is None:
            raise bad(f"Unable to parse range: {text}")
        return match[1].replace("''", "'"), match[2]
    if "!" in text:
        title, _, cells = text.rpartition("!")
        return title, cells
    return None, text


def area(cells: str, whole: str) -> Area:
    """The cells part of a range. Raises 400 with `whole` in its text, 501 for R1C1 notation."""
    start, colon, end = cells.partition(":")
    first, last = _corner(start), _corner(end if colon else start)
    if first is None or last is None or (not colon and None in first):
        if _R1C1.match(cells):
            raise unknown(f"R1C1 notation ({whole})")
        raise bad(f"Unable to parse range: {whole}")
    rows, columns = _ordered(first[0], last[0]), _ordered(first[1], last[1])
    return Area(
        row=rows[0],
        end_row=None if rows[1] is None else rows[1] + 1,
        column=columns[0],
        end_column=None if columns[1] is None else columns[1] + 1,
        anchor=not colon,
    )


def _corner(text: str) -> tuple[int | None, int | None] | None:
    match = _CELL.match(text)
    if match is None or not text:
        return None
    return (int(match[2]) - 1 if match[2] else None), (number(match[1]) if match[1] else None)


def _ordered(one: int | None, other: int | None) -> tuple[int | None, int | None]:
    return (other, one) if one is not None and other is not None and other < one else (one, other)


def is_cells(text: str) -> bool:
    """True for what can be read as cells (`A1`, `B2:C`, `A:A`), false for a title."""
    start, colon, end = text.partition(":")
    first, last = _corner(start), _corner(end if colon else start)
    return first is not None and last is not None and (bool(colon) or None not in first)


def grid_range(sheet_id: int, box: Box) -> dict[str, Any]:
    """A GridRange of a box."""
    return {
        "sheetId": sheet_id,
        "startRowIndex": box.row,
        "endRowIndex": box.end_row,
        "startColumnIndex": box.column,
        "endColumnIndex": box.end_column,
    }
