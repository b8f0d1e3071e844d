"""Rejects as an Excel workbook: values as text, faulty cells coloured with what is wrong as a comment, all else locked.

Rows are streamed to the disk; what grows with their number is the comments, so only the first faulty cells get one (each
row has its problems in words as well). Written by XlsxWriter (extra `excel`).
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.durable import written_whole
from loadlock.errors import UsageError
from loadlock.quarantine.sheet import INFO, RAW, Layout, Reject, as_text

if TYPE_CHECKING:
    from loadlock.quarantine.export import Export

MAX_ROWS = 1_048_575
"""Rows that a sheet holds below its header."""
MAX_COLUMNS = 16_384
CELL_CHARACTERS = 32_767
MAX_COMMENTS = 20_000
"""Faulty cells with a comment: a spreadsheet keeps each as a drawing of its own, and more make it very slow."""
CUT = " …[longer than a cell holds: correct it in a .csv or .jsonl export]"
"""Ends the text of a cell that a sheet can't hold whole."""
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_SHEET = "rejects"
_WIDTHS = {RAW: 40, "_problems": 50}


def shown(text: str) -> str:
    """The text as a cell shows it: characters that no workbook can hold are replaced, a text that is too long is cut."""
    text = _UNFIT.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text if len(text) <= CELL_CHARACTERS else text[: CELL_CHARACTERS - len(CUT)] + CUT


def export_xlsx(export: Export, path: Path) -> int:
    """Write rejects as a workbook; how many. Raises UsageError where a sheet can't hold them, with the ways out."""
    try:
        import xlsxwriter
    except ImportError as error:
        raise UsageError(
            "workbooks are written by XlsxWriter, which is not installed",
            hint="pip install 'loadlock[excel]', or export to a .csv file.",
        ) from error
    layout, count = export.layout, export.count
    _check_size(layout, count)
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with written_whole(path) as beside, closing(xlsxwriter.Workbook(str(beside), options)) as book:
        _Sheet(book, layout, count).write(export)
    return count


def _check_size(layout: Layout, count: int) -> None:
    if count > MAX_ROWS:
        raise UsageError(
            f"{count:,} rejects are more than a sheet of Excel holds ({MAX_ROWS:,} rows)",
            hint="Export them in several files (--code, --column, --file or --stage; --limit for the first ones only),"
            " export to .csv, which has no limit, or correct them in bulk: `loadlock correct BATCH --set ... --where ...`.",
        )
    if len(layout.header) > MAX_COLUMNS:
        raise UsageError(
            f"the rejects have {len(layout.names):,} values a row: a sheet of Excel can't hold their columns",
            hint="Export them to .csv or .jsonl.",
        )


class _Sheet:
    """The one sheet of the workbook."""

    def __init__(self, book: Any, layout: Layout, count: int) -> None:
        self.layout = layout
        self.sheet = book.add_worksheet(_SHEET)
        text = {"num_format": "@", "valign": "top"}
        self.head = book.add_format({**text, "bold": True, "bottom": 1, "bg_color": "#D9E1F2", "locked": True})
        self.open = book.add_format({**text, "locked": False})
        self.locked = book.add_format({**text, "font_color": "#7F7F7F", "bg_color": "#F2F2F2", "locked": True})
        self.words = book.add_format({**text, "font_color": "#7F7F7F", "bg_color": "#F2F2F2", "text_wrap": True})
        self.faulty = book.add_format({**text, "bg_color": "#FFC7CE", "font_color": "#9C0006", "locked": False})
        self.first = 1 + len(INFO)
        self.raw = self.first + len(layout.names)
        self.comments = 0
        self._prepare(count)

    def _prepare(self, count: int) -> None:
        sheet, header = self.sheet, self.layout.header
        sheet.freeze_panes(1, 1)
        sheet.autofilter(0, 0, count, len(header) - 1)
        sheet.protect("", {"sort": True, "autofilter": True, "format_columns": True, "format_rows": True})
        for place, name in enumerate(header):
            editable = self.first <= place <= self.raw
            sheet.set_column(place, place, _WIDTHS.get(name, 16), self.open if editable else self.locked)
            sheet.write_string(0, place, as_text(shown(name)), self.head)

    def write(self, export: Export) -> None:
        """All rows."""
        for number, reject in enumerate(export.rejects(), start=1):
            self._row(number, reject)

    def _row(self, number: int, reject: Reject) -> None:
        layout, faults = self.layout, self.layout.faults(reject)
        for place, cell in enumerate(layout.info(reject)):
            self._put(number, place, cell, self.words if place == len(INFO) else self.locked)
        for place, name in enumerate(layout.names, start=self.first):
            self._value(number, place, reject.values.get(name), faults.get(name))
        if reject.values:
            self._put(number, self.raw, reject.raw, self.locked)
        else:
            self._value(number, self.raw, reject.raw, faults.get(RAW))
        for place, name in enumerate(layout.names, start=self.raw + 1):
            # as it was: what nobody needs to change is not written twice
            if name in faults or reject.values.get(name) != reject.was.get(name):
                self._put(number, place, reject.was.get(name), self.locked)

    def _value(self, number: int, place: int, cell: str | None, fault: str | None) -> None:
        self._put(number, place, cell, self.open if fault is None else self.faulty, blank=fault is not None)
        if fault is not None and self.comments < MAX_COMMENTS:
            self.comments += 1
            self.sheet.write_comment(number, place, shown(fault), {"x_scale": 2})

    def _put(self, row: int, place: int, cell: str | None, look: Any, *, blank: bool = False) -> None:
        if cell:
            self.sheet.write_string(row, place, shown(cell), look)
        elif blank:
            self.sheet.write_blank(row, place, None, look)
