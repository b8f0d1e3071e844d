"""Old binary workbooks (.xls), by python-calamine, which holds a sheet as a whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import IO, Any

from loadlock.errors import SourceError
from loadlock.intake._excel_cells import Cell, Kind, SheetFacts, SheetRow, number_text
from loadlock.intake._excel_choice import SheetName, choose_sheet, damaged, encrypted
from loadlock.intake._excel_options import ExcelOptions

MOST_BYTES = 32 << 20
"""Of a workbook: its sheet as a whole, of up to 65,536 rows, stays within the memory of a run."""


class XlsSheet:
    """The chosen sheet of a workbook."""

    def __init__(self, file: IO[bytes], path: str, wanted: str | None, own: ExcelOptions) -> None:
        self._digits = own.digits
        self._path = path
        if file.seek(0, 2) > MOST_BYTES:
            raise SourceError(
                f"{path} has more than {MOST_BYTES >> 20} MiB, and such a workbook must be held in memory as a whole",
                hint="Save it as .xlsx, which is read as a stream.",
            )
        file.seek(0)
        self._workbook: Any = self._guarded(_opener(), file)
        names = [
            SheetName(name=sheet.name, hidden=str(sheet.visible).rpartition(".")[2] != "Visible")
            for sheet in self._workbook.sheets_metadata
            if str(sheet.typ).endswith("WorkSheet")
        ]
        chosen = choose_sheet(path, names, wanted)
        self.facts = SheetFacts(
            name=chosen,
            others=[sheet.name for sheet in names if sheet.name != chosen],
            hidden_sheets=[sheet.name for sheet in names if sheet.hidden],
        )

    def rows(self) -> Iterator[SheetRow]:
        """The sheet's rows. Hidden rows and error values are not told apart in this format."""
        sheet = self._guarded(self._workbook.get_sheet_by_name, self.facts.name)
        self.facts.merged = len(sheet.merged_cell_ranges or ())
        if sheet.start is None:
            return
        for number, values in enumerate(sheet.iter_rows(), 1):
            # the rows above the first filled one are part of what calamine gives, the columns left of it too
            cells = {at: cell for at, value in enumerate(values) if (cell := self._cell(value)) is not None}
            yield SheetRow(number, cells, False)

    def _guarded(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            if type(error).__name__ == "PasswordError" or "password" in str(error).lower():
                raise encrypted(self._path) from error
            raise damaged(self._path, error) from error
        except BaseException as error:
            # a panic of the library is no Exception, so that nobody takes it for one
            if type(error).__name__ != "PanicException":
                raise
            raise damaged(self._path, error) from error

    def _cell(self, value: Any) -> Cell | None:
        if value == "" and isinstance(value, str):
            return None
        if isinstance(value, bool):
            return Cell("true" if value else "false", Kind.BOOLEAN)
        if isinstance(value, int | float):
            return Cell(number_text(repr(value), self._digits), Kind.NUMBER)
        if isinstance(value, str):
            return Cell(value, Kind.TEXT)
        return Cell(_date(value), Kind.DATE)


def _opener() -> Any:
    try:
        from python_calamine import CalamineWorkbook
    except ImportError as error:
        raise SourceError(
            "reading .xls needs the package python-calamine", hint="Install it: pip install 'loadlock[excel]'."
        ) from error
    return CalamineWorkbook.from_filelike


def _date(value: dt.date | dt.time | dt.timedelta) -> str:
    if isinstance(value, dt.timedelta):
        seconds = int(value.total_seconds())
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return value.isoformat()
