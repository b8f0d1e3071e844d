"""`spreadsheets.values.append`: looks for a table in the range and writes below it. It is not idempotent, as the service's."""

from __future__ import annotations

from collections.abc import Iterator

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
    """The last block of rows with values that the range meets, from empty row to empty row. None: the range is empty."""
    found = tab.grid.last_row(box)
    if found == box.row:
        return None
    bottom = _first_empty(tab, found)
    top, left, right = found, tab.columns, 0
    for row, filled in _lines_above(tab, bottom):
        if not filled:
            break
        top, left, right = row, min(left, filled[0]), max(right, filled[-1] + 1)
    return Box(top, bottom, left, right)


def _first_empty(tab: Tab, row: int) -> int:
    """The first row without a value, at or below the row."""
    for start, columns in tab.grid.slices(Box(row, tab.grid.rows, 0, tab.columns)):
        for index, cells in enumerate(zip(*columns, strict=True)):
            if all(cell is None for cell in cells):
                return start + index
    return max(row, tab.grid.rows)


def _lines_above(tab: Tab, end: int) -> Iterator[tuple[int, list[int]]]:
    """Rows above `end`, from the last one up, each with its filled columns."""
    while end > 0:
        start = max(0, end - SLICE_ROWS)
        columns = tab.grid.read(Box(start, end, 0, tab.columns))
        for row in range(end - start - 1, -1, -1):
            yield start + row, [number for number, cells in enumerate(columns) if cells[row] is not None]
        end = start


def _below_visible(tab: Tab, table: Box) -> int:
    """The row below the last one that a filter doesn't hide: what is hidden below it is written over."""
    row = table.end_row
    while row > table.row and row - 1 in tab.filtered_rows:
        row -= 1
    return row
