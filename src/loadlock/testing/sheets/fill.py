"""Making spreadsheets for a test, and looking into them, without requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from loadlock.testing.sheets import entry
from loadlock.testing.sheets.book import Book, Tab
from loadlock.testing.sheets.errors import ApiError, bad
from loadlock.testing.sheets.values import rendered

if TYPE_CHECKING:
    from loadlock.testing.sheets.service import Service

OWNER = "owner@example.com"
"""Owns the spreadsheets that a test makes, and is the other writer."""
Rows = Sequence[Sequence[Any]]


def add_book(
    service: Service,
    *,
    title: str = "Spreadsheet",
    tabs: Mapping[str, Rows] | None = None,
    share: Mapping[str, str] | None = None,
    id: str | None = None,  # noqa: A002 - the API's word
) -> Book:
    """A spreadsheet with tabs of the given rows, stored as they are. Its grids are 1,000 x 26 or what the rows need."""
    for role in (share or {}).values():
        if role not in ("reader", "writer"):
            raise bad(f"a spreadsheet is shared with a reader or a writer, not a {role}")
    with service.lock:
        if id in service.books:
            raise bad(f"there is a spreadsheet {id} already")
        book = service.new_book(title=title, owner=OWNER)
        book.spreadsheet_id = id or book.spreadsheet_id
        book.sharing.update(share or {})
        if tabs:
            book.tabs = [_tab(number, name, rows) for number, (name, rows) in enumerate(tabs.items())]
        service.books[book.spreadsheet_id] = book
    return book


def _tab(number: int, title: str, rows: Rows) -> Tab:
    tab = Tab(sheet_id=number, title=title)
    columns = [[None if v is None else entry.raw(v, "", 50_000) for v in cells] for cells in zip_longest(*rows)]
    tab.rows, tab.columns = max(tab.rows, len(rows)), max(tab.columns, len(columns))
    tab.grid.write(0, 0, columns)
    return tab


def typed_rows(service: Service, spreadsheet_id: str, range_text: str, rows: Rows) -> None:
    """Cells as another writer's edit, from the range's first cell on: values as they are, None empties, `=` begins a formula."""
    with service.lock:
        book = service.books.get(spreadsheet_id)
        if book is None:
            raise ApiError(404, f"there is no spreadsheet {spreadsheet_id}")
        tab, at = book.resolve(range_text)
    start = {"sheetId": tab.sheet_id, "rowIndex": at.row or 0, "columnIndex": at.column or 0}
    lines = [{"values": [_cell(value) for value in row]} for row in rows]
    service.edit(spreadsheet_id, [{"updateCells": {"start": start, "rows": lines, "fields": "userEnteredValue"}}])


def _cell(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    kinds = {bool: "boolValue", str: "stringValue"}
    kind = "formulaValue" if isinstance(value, str) and value.startswith("=") else kinds.get(type(value), "numberValue")
    return {"userEnteredValue": {kind: value}}


def rows_of(service: Service, spreadsheet_id: str, range_text: str, *, formulas: bool = False) -> list[list[Any]]:
    """The values of a range, row by row, with None for empty cells; empty rows at the end are left out."""
    with service.lock:
        book = service.books.get(spreadsheet_id)
        if book is None:
            raise ApiError(404, f"there is no spreadsheet {spreadsheet_id}")
        tab, at = book.resolve(range_text)
        whole = "!" not in range_text and at.end_row is None and at.row == 0
        box = tab.whole if whole else tab.box(at)
        how = {"valueRenderOption": "FORMULA" if formulas else "UNFORMATTED_VALUE"}
        columns = rendered(service.work(book, OWNER), tab, box, how)
    rows = [list(row) for row in zip(*columns, strict=True)]
    width = max((n + 1 for row in rows for n, value in enumerate(row) if value is not None), default=0)
    return [row[:width] for row in rows] if whole else rows
