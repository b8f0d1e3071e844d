"""`spreadsheets.values.append`: looks for a table in the range and writes below it. It is not idempotent, as the service's."""

from __future__ import annotations

from loadlock.testing.sheets.a1 import Box, written
from loadlock.testing.sheets.book import Tab
from loadlock.testing.sheets.dimensions import insert
from loadlock.testing.sheets.errors import Json
from loadlock.testing.sheets.grid import SLICE_ROWS
from loadlock.testing.sheets.values import columns_of, get, put
from loadlock.testing.sheets.work import Work


def append(work: Work, range_text: str, body: Json, query: Json) -> Json:
    """values.append: grows the grid where it must."""
    columns = columns_of(body)
    tab, at = work.book.resolve(range_text)
    table = _table(tab, tab.box(at))
    row, column = (table.end_row, table.column) if table else (at.row or 0, at.column or 0)
    if table and work.settings.paste_skips_filtered_rows:
        row = _below_visible(tab, table)
    rows = len(columns[0]) if columns else 0
    if query.get("insertDataOption") == "INSERT_ROWS" and rows:
        insert(work, tab, row, rows, rows=True)
    tab.rows, tab.columns = max(tab.rows, row + rows), max(tab.columns, column + len(columns))
    work.check_size()
    box = Box(row, row + max(rows, 1), column, column + max(len(columns), 1))
    count = put(work, tab, box, columns, query)
    updates: Json = {"spreadsheetId": work.book.spreadsheet_id, "updatedRange": written(tab.title, box)}
    if count:
        updates |= {"updatedRows": rows, "updatedColumns": len(columns), "updatedCells": count}
    if query.get("includeValuesInResponse"):
        how = {"valueRenderOption": query.get("responseValueRenderOption", "FORMATTED_VALUE")}
        updates["updatedData"] = get(work, written(tab.title, box), how)
    answer: Json = {"spreadsheetId": work.book.spreadsheet_id, "updates": updates}
    if table:
        answer["tableRange"] = written(tab.title, table)
    return answer


def _table(tab: Tab, box: Box) -> Box | None:
    """The last block of rows with values that the range meets, down to its first empty row."""
    box = Box(box.row, tab.rows, 0, tab.columns)
    bottom = tab.grid.last_row(box)
    if bottom == box.row:
        return None
    top, left, right = bottom, tab.columns, 0
    while top > 0:
        start = max(0, top - SLICE_ROWS)
        columns = tab.grid.read(Box(start, top, 0, tab.columns))
        for row in range(top - start - 1, -1, -1):
            filled = [number for number, cells in enumerate(columns) if cells[row] is not None]
            if not filled:
                return Box(start + row + 1, bottom, left, right)
            left, right = min(left, filled[0]), max(right, filled[-1] + 1)
        top = start
    return Box(0, bottom, left, right)


def _below_visible(tab: Tab, table: Box) -> int:
    """The row below the last one that a filter doesn't hide: what is hidden below it is written over."""
    row = table.end_row
    while row > table.row and row - 1 in tab.filtered_rows:
        row -= 1
    return row
