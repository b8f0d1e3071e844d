"""Requests that write cells: typed values and what cells carry beside them (format, note, validation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loadlock.testing.sheets.a1 import Box
from loadlock.testing.sheets.book import Tab
from loadlock.testing.sheets.entry import plain_number
from loadlock.testing.sheets.errors import Json, bad, unknown
from loadlock.testing.sheets.formula_text import carried, rewritten
from loadlock.testing.sheets.grid import SLICE_ROWS, Cell
from loadlock.testing.sheets.masks import Mask, merged, writing
from loadlock.testing.sheets.work import Work

_CARRIED = ("userEnteredFormat", "note", "dataValidation")
"""Fields of CellData that are kept beside the value."""
_READ_ONLY = ("effectiveValue", "effectiveFormat", "formattedValue", "hyperlink")


def update_cells(work: Work, body: Json) -> Json:
    """Write rows of CellData at `start` or into `range`; what the rows don't cover of the range is cleared."""
    mask = _mask(work, body)
    rows = body.get("rows", [])
    tab, box = _place(work, body, rows)
    work.may_write(tab, box)
    if "userEnteredValue" in mask:
        _put_values(work, tab, box, rows)
    attributes = {name: inner for name, inner in mask.items() if name in _CARRIED}
    if attributes:
        _put_attributes(tab, box, rows, attributes)
    return {}


def _mask(work: Work, body: Json) -> Mask:
    mask = writing(body.get("fields", ""), "CellData", work.discovery)
    if body.get("fields") == "*":
        return {name: {} for name in ("userEnteredValue", *_CARRIED)}
    for name, inner in mask.items():
        if name in _READ_ONLY:
            raise bad(f"{name} is read-only.")
        if name not in _CARRIED and name != "userEnteredValue":
            raise unknown(f"how to write the cell's {name}")
        if name == "userEnteredValue" and inner:
            raise unknown("a mask within userEnteredValue")
    return mask


def _place(work: Work, body: Json, rows: list[Json]) -> tuple[Tab, Box]:
    width = max((len(row.get("values", ())) for row in rows), default=0)
    if "range" in body:
        tab, box = work.grid_range(body["range"])
        if len(rows) > box.rows:
            last = box.end_row - 1
            raise bad(f"Attempting to write row: {last + 1}, beyond the last requested row of: {last}")
        if width > box.columns:
            last = box.end_column - 1
            raise bad(f"Attempting to write column: {last + 1}, beyond the last requested column of: {last}")
        return tab, box
    if "start" not in body:
        raise bad("One of 'start' or 'range' must be set.")
    start = body["start"]
    tab, row, column = work.book.tab(start.get("sheetId", 0)), start.get("rowIndex", 0), start.get("columnIndex", 0)
    box = Box(row, row + len(rows), column, column + width)
    if box.end_row > tab.rows or row >= tab.rows or row < 0:
        raise bad(f"Attempting to write row: {box.end_row - 1}, beyond the last requested row of: {tab.rows - 1}")
    if box.end_column > tab.columns or column >= tab.columns or column < 0:
        last = tab.columns - 1
        raise bad(f"Attempting to write column: {box.end_column - 1}, beyond the last requested column of: {last}")
    return tab, box


def _put_values(work: Work, tab: Tab, box: Box, rows: list[Json]) -> None:
    columns: list[list[Cell]] = [[None] * len(rows) for _ in range(box.columns)]
    longest = work.settings.limits.cell_chars
    for index, row in enumerate(rows):
        for column, data in enumerate(row.get("values", ())):
            if "userEnteredValue" in data:
                columns[column][index] = extended(data["userEnteredValue"], longest)
    work.write(tab, box.row, box.column, columns)
    rest = Box(box.row + len(rows), box.end_row, box.column, box.end_column)
    tab.grid.clear(rest)
    work.cells += rest.cells
    work.changed()


def extended(value: Json, longest: int) -> Cell:
    """The cell of an ExtendedValue: typed, never parsed."""
    if len(value) > 1:
        raise bad("Only one of numberValue, stringValue, boolValue, formulaValue can be set.")
    for name, given in value.items():
        if name == "errorValue":
            raise bad("errorValue is read-only.")
        if isinstance(given, str) and len(given) > longest:
            raise bad(f"Your input contains more than the maximum of {longest} characters in a single cell.")
        if name == "formulaValue":
            return {"f": given if given.startswith("=") else f"={given}"}
        return plain_number(given) if name == "numberValue" else (given if given != "" else None)
    return None


def _put_attributes(tab: Tab, box: Box, rows: list[Json], mask: Mask) -> None:
    for index, row in enumerate(rows):
        values = row.get("values", ())
        for column in range(box.columns):
            spot = Box(box.row + index, box.row + index + 1, box.column + column, box.column + column + 1)
            tab.attributes.change(spot, _change(mask, values[column] if column < len(values) else {}))
    tab.attributes.change(Box(box.row + len(rows), box.end_row, box.column, box.end_column), _change(mask, {}))


def _change(mask: Mask, data: Json) -> Callable[[Json], Json]:
    return lambda now: {name: value for name, value in merged(mask, now, data).items() if value not in ({}, "")}


def append_cells(work: Work, body: Json) -> Json:
    """Write rows of CellData below the last row with a value; the grid grows. Not idempotent."""
    if "tableId" in body:
        raise unknown("tables")
    tab, rows = work.book.tab(body.get("sheetId", 0)), body.get("rows", [])
    last = tab.grid.last_row(tab.whole)
    width = max((len(row.get("values", ())) for row in rows), default=0)
    tab.rows, tab.columns = max(tab.rows, last + len(rows)), max(tab.columns, width)
    work.check_size()
    start = {"sheetId": tab.sheet_id, "rowIndex": last, "columnIndex": 0}
    return update_cells(work, {"start": start, "rows": rows, "fields": body.get("fields", "")}) if rows else {}


def repeat_cell(work: Work, body: Json) -> Json:
    """Give all cells of a range the same value, format, note or validation; a formula's references move along."""
    mask = _mask(work, body)
    tab, box = work.grid_range(body.get("range", {}))
    work.may_write(tab, box)
    data = body.get("cell", {})
    if "userEnteredValue" in mask:
        cell = extended(data.get("userEnteredValue", {}), work.settings.limits.cell_chars)
        for row in range(box.row, box.end_row, SLICE_ROWS):
            rows = range(row, min(box.end_row, row + SLICE_ROWS))
            work.write(
                tab, row, box.column, [[_repeated(cell, r - box.row, c) for r in rows] for c in range(box.columns)]
            )
    attributes = {name: inner for name, inner in mask.items() if name in _CARRIED}
    if attributes:
        tab.attributes.change(box, _change(attributes, data))
    return {}


def _repeated(cell: Cell, rows: int, columns: int) -> Cell:
    if not isinstance(cell, dict) or "f" not in cell:
        return cell
    return {"f": rewritten(cell["f"], lambda ref: carried(ref, rows, columns))}


KINDS: dict[str, Callable[[Work, Any], Json]] = {
    "updateCells": update_cells,
    "appendCells": append_cells,
    "repeatCell": repeat_cell,
}
