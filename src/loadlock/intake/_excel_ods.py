"""Workbooks of OpenDocument (.ods): rows of a sheet, streamed out of the archive."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any
from xml.parsers import expat

from loadlock.intake._excel_cells import Cell, Kind, SheetFacts, SheetRow, number_text
from loadlock.intake._excel_choice import SheetName, choose_sheet, damaged, encrypted
from loadlock.intake._excel_options import ExcelOptions
from loadlock.intake._excel_xlsx import DAMAGE
from loadlock.intake._excel_xlsx_rows import COLUMNS, sheet_parser

_BLOCK_BYTES = 1 << 18
_ROWS = 1 << 20
_TIME = re.compile(r"(-?)PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d+))?S)?")


class OdsSheet:
    """The chosen sheet of a workbook."""

    def __init__(self, file: IO[bytes], path: str, wanted: str | None, own: ExcelOptions) -> None:
        self._path = path
        self._own = own
        try:
            self._zip = zipfile.ZipFile(file)
            manifest = (
                self._zip.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in self._zip.namelist() else b""
            )
            if b"encryption-data" in manifest:
                raise encrypted(path)
            names = _Names()
            self._parse(names)
        except (*DAMAGE, expat.ExpatError) as error:
            raise damaged(path, error) from error
        chosen = choose_sheet(path, names.sheets, wanted)
        self.facts = SheetFacts(
            name=chosen,
            others=[sheet.name for sheet in names.sheets if sheet.name != chosen],
            hidden_sheets=[sheet.name for sheet in names.sheets if sheet.hidden],
        )

    def rows(self) -> Iterator[SheetRow]:
        """The sheet's rows."""
        handler = _Rows(self.facts, self._own)
        parser = sheet_parser()
        handler.attach(parser)
        try:
            with self._zip.open("content.xml") as stream:
                while not handler.done and (block := stream.read(_BLOCK_BYTES)):
                    parser.Parse(block, False)
                    yield from handler.taken()
        except expat.ExpatError as error:
            self.facts.fault = str(error)
        except DAMAGE as error:
            raise damaged(self._path, error) from error
        yield from handler.taken()

    def _parse(self, handler: Any) -> None:
        parser = sheet_parser()
        handler.attach(parser)
        with self._zip.open("content.xml") as stream:
            while block := stream.read(_BLOCK_BYTES):
                parser.Parse(block, False)


class _Names:
    """The names of the sheets, and which are hidden."""

    def __init__(self) -> None:
        self.sheets: list[SheetName] = []
        self._style = ""
        self._hidden: set[str] = set()

    def attach(self, parser: Any) -> None:
        parser.StartElementHandler = self._start

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            hidden = attributes.get("table:style-name", "") in self._hidden
            self.sheets.append(SheetName(name=attributes.get("table:name", ""), hidden=hidden))
        elif name == "style:style":
            self._style = attributes.get("style:name", "")
        elif name == "style:table-properties" and attributes.get("table:display") == "false":
            self._hidden.add(self._style)


class _Rows:
    """Collects the rows of one sheet as the parser comes to them."""

    def __init__(self, facts: SheetFacts, own: ExcelOptions) -> None:
        self.done = False
        self._facts = facts
        self._digits = own.digits
        self._fill = own.merged == "fill"
        self._rows: list[tuple[SheetRow, int]] = []
        self._inside = self._notes = 0
        self._row = 0
        self._repeat = 1
        self._hidden = False
        self._cells: dict[int, Cell] = {}
        self._column = 0
        self._attributes: dict[str, str] = {}
        self._texts: list[str] = []
        self._covered: dict[int, tuple[int, Cell]] = {}

    def attach(self, parser: Any) -> None:
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def taken(self) -> Iterator[SheetRow]:
        """The rows that are complete since the last call; a repeated row as often as it is."""
        rows, self._rows = self._rows, []
        for row, times in rows:
            for more in range(times):
                yield row._replace(number=row.number + more)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            self._inside += attributes.get("table:name") == self._facts.name or self._inside > 0
        if self._inside != 1 or self.done:
            return
        if name == "table:table-row":
            self._repeat = min(_ROWS, int(attributes.get("table:number-rows-repeated", "1")))
            self._hidden = attributes.get("table:visibility", "visible") != "visible"
            self._cells, self._column = {}, 0
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._attributes, self._texts = attributes, []
        elif name == "table:table-column" and attributes.get("table:visibility", "visible") != "visible":
            self._facts.hidden_columns += min(COLUMNS, int(attributes.get("table:number-columns-repeated", "1")))
        elif name == "office:annotation":
            self._notes += 1
        elif not self._notes:
            self._text_element(name, attributes)

    def _text_element(self, name: str, attributes: dict[str, str]) -> None:
        if name == "text:p":
            self._texts.append("\n" if self._texts else "")
        elif name == "text:s":
            self._texts.append(" " * min(1 << 16, int(attributes.get("text:c", "1"))))
        elif name == "text:tab":
            self._texts.append("\t")
        elif name == "text:line-break":
            self._texts.append("\n")

    def _text(self, text: str) -> None:
        if self._inside == 1 and not self._notes and self._texts:
            self._texts.append(text)

    def _end(self, name: str) -> None:
        if name == "table:table" and self._inside:
            self._inside -= 1
            self.done = self.done or not self._inside
        if self._inside != 1:
            return
        if name in ("table:table-cell", "table:covered-table-cell"):
            self._finish_cell(covered=name == "table:covered-table-cell")
        elif name == "table:table-row":
            if self._cells:
                self._rows.append((SheetRow(self._row + 1, self._cells, self._hidden), self._repeat))
            self._row += self._repeat
        elif name == "office:annotation":
            self._notes -= 1

    def _finish_cell(self, *, covered: bool) -> None:
        times = min(COLUMNS, int(self._attributes.get("table:number-columns-repeated", "1")))
        cell = None if covered else self._cell()
        spans = int(self._attributes.get("table:number-columns-spanned", "1"))
        down = int(self._attributes.get("table:number-rows-spanned", "1"))
        if spans > 1 or down > 1:
            self._facts.merged += 1
            if self._fill and cell is not None:
                last = self._row + min(down, _ROWS)
                self._covered.update({self._column + at: (last, cell) for at in range(min(spans, COLUMNS))})
        if covered and self._fill:
            for column in range(self._column, min(COLUMNS, self._column + times)):
                last, kept = self._covered.get(column, (0, None))
                if kept is not None and self._row < last:
                    self._cells[column] = kept
        elif cell is not None:
            for column in range(self._column, min(COLUMNS, self._column + times)):
                self._cells[column] = cell
        self._column += times
        self._texts = []

    def _cell(self) -> Cell | None:
        attributes, text = self._attributes, "".join(self._texts)
        kind = attributes.get("office:value-type", "")
        if attributes.get("calcext:value-type") == "error":
            return Cell(text or "#ERROR", Kind.ERROR)
        if kind in ("float", "percentage", "currency"):
            return Cell(number_text(attributes.get("office:value", text), self._digits), Kind.NUMBER)
        if kind == "date":
            return Cell(attributes.get("office:date-value", text).removesuffix("Z"), Kind.DATE)
        if kind == "time":
            return Cell(_clock(attributes.get("office:time-value", text)), Kind.DATE)
        if kind == "boolean":
            return Cell(attributes.get("office:boolean-value", text), Kind.BOOLEAN)
        text = attributes.get("office:string-value", text)
        if text:
            return Cell(text, Kind.TEXT)
        return Cell("", Kind.NO_VALUE) if "table:formula" in attributes and not kind else None


def _clock(text: str) -> str:
    """`PT07H05M00S` as `07:05:00`; anything else as it is."""
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    sign, hours, minutes, seconds, fraction = match.groups()
    clock = f"{sign}{int(hours or 0):02}:{int(minutes or 0):02}:{int(seconds or 0):02}"
    fraction = (fraction or "").rstrip("0")
    return f"{clock}.{fraction}" if fraction else clock
