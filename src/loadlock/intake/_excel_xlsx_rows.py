"""The XML of a sheet in an Office Open XML workbook: cells from events."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from xml.parsers import expat

from loadlock.errors import SourceError
from loadlock.intake._excel_cells import Cell, Kind, SheetFacts, SheetRow, date_text, number_text
from loadlock.intake._excel_options import ExcelOptions

TEXT_BYTES = 128 << 20
"""Memory that the texts shared by all sheets may take."""
COLUMNS = 16_384
_STR_BYTES = 60
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"")
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def sheet_parser() -> Any:
    """A parser that fetches nothing and takes no declared entities."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.EntityDeclHandler = _refuse
    return parser


def _refuse(name: str, *_: Any) -> None:
    raise ValueError(f"it declares an entity ({name[:40]!r}), which workbooks have no need of and attacks use")


@lru_cache(maxsize=COLUMNS)
def column_number(letters: str) -> int:
    """0-based number of a column by its letters."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def plain_text(text: str) -> str:
    """A text with `_x000D_` and the like as the characters they stand for."""
    if "_x" not in text:
        return text
    return _ESCAPE.sub(lambda match: _character(int(match[1], 16), match[0]), text)


def _character(code: int, written: str) -> str:
    return written if 0xD800 <= code < 0xE000 else chr(code)


class TextReader:
    """The texts that all sheets share; those of phonetic hints are left out."""

    def __init__(self, path: str) -> None:
        self.texts: list[str] = []
        self._path = path
        self._pieces: list[str] = []
        self._hint = self._inside = False
        self._bytes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "t":
            self._inside = not self._hint
        elif name == "rPh":
            self._hint = True

    def text(self, text: str) -> None:
        if self._inside:
            self._pieces.append(text)

    def end(self, name: str) -> None:
        if name == "t":
            self._inside = False
        elif name == "rPh":
            self._hint = False
        elif name == "si":
            whole = plain_text("".join(self._pieces))
            self.texts.append(whole)
            self._pieces.clear()
            self._bytes += len(whole) + _STR_BYTES
            if self._bytes > TEXT_BYTES:
                raise SourceError(
                    f"the texts of {self._path} need more than {TEXT_BYTES >> 20} MiB of memory",
                    hint="Save the sheet as CSV and load that, or split the workbook.",
                )


class SheetHandler:
    """Collects the rows of one sheet as the parser comes to them."""

    def __init__(self, texts: list[str], forms: list[str | None], own: ExcelOptions, facts: SheetFacts) -> None:
        self._texts = texts
        self._forms = forms
        self._digits = own.digits
        self._facts = facts
        self._rows: list[SheetRow] = []
        self._cells: dict[int, Cell] = {}
        self._row, self._hidden, self._column = 0, False, -1
        self._type, self._style = "n", ""
        self._pieces: list[str] = []
        self._taking = self._hint = self._formula = False

    def attach(self, parser: Any) -> None:
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text
        parser.EndElementHandler = self._end

    def taken(self) -> list[SheetRow]:
        """The rows that are complete since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._type, self._style = attributes.get("t", "n"), attributes.get("s", "")
            place = attributes.get("r")
            self._column = self._column + 1 if place is None else column_number(place.rstrip("0123456789"))
            self._formula = False
        elif name in ("v", "t"):
            self._taking = not self._hint
        elif name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._hidden = attributes.get("hidden", "0") in ("1", "true")
            self._cells, self._column = {}, -1
        elif name == "f":
            self._formula = True
        elif name == "rPh":
            self._hint = True
        elif name == "col":
            if attributes.get("hidden", "0") in ("1", "true"):
                first, last = int(attributes.get("min", "1")), int(attributes.get("max", "1"))
                self._facts.hidden_columns += max(0, min(last, COLUMNS) - first + 1)
        elif name == "mergeCell":
            self._facts.merged += 1
        elif ":" in name:
            self._start(name.rpartition(":")[2], attributes)

    def _text(self, text: str) -> None:
        if self._taking:
            self._pieces.append(text)

    def _end(self, name: str) -> None:
        if name == "c":
            self._finish_cell()
        elif name in ("v", "t"):
            self._taking = False
        elif name == "row":
            self._rows.append(SheetRow(self._row, self._cells, self._hidden))
        elif name == "rPh":
            self._hint = False
        elif ":" in name:
            self._end(name.rpartition(":")[2])

    def _finish_cell(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        if not 0 <= self._column < COLUMNS:
            raise ValueError(f"row {self._row} has a cell in column {self._column + 1:,}")
        if text or self._type == "inlineStr":
            cell = self._cell(text)
            if cell.text:
                self._cells[self._column] = cell
        elif self._formula and self._type != "str":
            self._cells[self._column] = Cell("", Kind.NO_VALUE)

    def _cell(self, text: str) -> Cell:
        kind = self._type
        if kind == "n":
            return self._number(text)
        if kind == "s":
            number = int(text)
            if not 0 <= number < len(self._texts):
                raise ValueError(f"row {self._row} refers to the text {number:,} of {len(self._texts):,}")
            return Cell(self._texts[number], Kind.TEXT)
        if kind == "b":
            return Cell("true" if text.strip() in ("1", "true") else "false", Kind.BOOLEAN)
        if kind == "e":
            return Cell(text, Kind.ERROR)
        return Cell(text, Kind.DATE) if kind == "d" else Cell(plain_text(text), Kind.TEXT)

    def _number(self, text: str) -> Cell:
        if self._style:
            style = int(self._style)
            form = self._forms[style] if 0 <= style < len(self._forms) else None
            if form is not None:
                date = date_text(text, form, epoch_1904=self._facts.epoch_1904)
                if date is not None:
                    return Cell(date, Kind.DATE)
        return Cell(number_text(text, self._digits), Kind.NUMBER)


class Merged:
    """The merged ranges of a sheet, to give all of their cells the value of the first."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        found, tail = [], b""
        for block in blocks:
            data, end = tail + block, 0
            for match in _MERGED.finditer(data):
                left, right = column_number(match[1].decode()), column_number(match[3].decode())
                found.append((int(match[2]), int(match[4]), left, min(right, COLUMNS - 1)))
                end = match.end()
            tail = data[max(end, len(data) - 200) :]
        self._coming = sorted(found, reverse=True)
        self._open: list[tuple[int, int, int, Cell]] = []

    def filled(self, row: SheetRow) -> SheetRow:
        """The row with the values of the ranges that it lies in; rows come in order."""
        self._open = [one for one in self._open if one[0] >= row.number]
        while self._coming and self._coming[-1][0] <= row.number:
            top, bottom, left, right = self._coming.pop()
            if top == row.number and left in row.cells:
                self._open.append((bottom, left, right, row.cells[left]))
        for _, left, right, cell in self._open:
            for column in range(left, right + 1):
                row.cells.setdefault(column, cell)
        return row
