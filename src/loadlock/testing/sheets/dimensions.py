"""Rows and columns inserted, appended, deleted, hidden: everything that lies on the tab moves along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loadlock.testing.sheets.a1 import Box
from loadlock.testing.sheets.attributes import Attributes
from loadlock.testing.sheets.book import Tab
from loadlock.testing.sheets.errors import Json, bad
from loadlock.testing.sheets.formula_text import Reference, rewritten, shifted
from loadlock.testing.sheets.masks import merged, writing
from loadlock.testing.sheets.moves import Shift, grid_range
from loadlock.testing.sheets.work import Work


def insert(work: Work, tab: Tab, at: int, count: int, *, rows: bool) -> None:
    """Insert empty rows or columns before `at`."""
    if rows:
        tab.grid.insert_rows(at, count)
        tab.rows += count
    else:
        tab.grid.insert_columns(at, count)
        tab.columns += count
    _moved(work, tab, Shift(at=at, count=count), rows=rows)
    work.check_size()


def delete(work: Work, tab: Tab, start: int, end: int, *, rows: bool) -> None:
    """Delete rows or columns from `start` up to `end`, exclusive. Raises 400 when none would be left."""
    if end - start >= (tab.rows if rows else tab.columns):
        raise bad(f"You can't delete all the {'rows' if rows else 'columns'} on the sheet.")
    if rows:
        tab.grid.delete_rows(start, end)
        tab.rows -= end - start
    else:
        tab.grid.delete_columns(start, end)
        tab.columns -= end - start
    _moved(work, tab, Shift(at=start, count=start - end), rows=rows)


def resize(work: Work, tab: Tab, rows: int, columns: int) -> None:
    """Set the grid's size. The new row count is checked before the new column count, as the service does."""
    if rows < 1 or columns < 1:
        raise bad("Grid must have at least one row and one column.")
    if columns > work.settings.limits.columns:
        raise bad(f"This action would exceed the maximum of {work.settings.limits.columns} columns.")
    if rows < tab.rows:
        delete(work, tab, rows, tab.rows, rows=True)
    tab.rows = rows
    work.check_size()
    if columns < tab.columns:
        delete(work, tab, columns, tab.columns, rows=False)
    tab.columns = columns
    work.check_size()


def _moved(work: Work, tab: Tab, shift: Shift, *, rows: bool) -> None:
    name = "Row" if rows else "Column"
    _move_boxes(tab, shift, rows=rows)
    tab.protected = [item for item in tab.protected if _move_range(item, shift, name)]
    if tab.filter and not _move_range(tab.filter, shift, name):
        tab.filter, tab.filtered_rows = None, frozenset()
    work.book.named = [item for item in work.book.named if not _on(item, tab) or _move_range(item, shift, name)]
    for number, item in list(work.book.metadata.items()):
        at = item.location.get("dimensionRange")
        if at and at.get("sheetId", 0) == tab.sheet_id and at["dimension"] == ("ROWS" if rows else "COLUMNS"):
            span = shift.span(at.get("startIndex", 0), at["endIndex"])
            if span is None:
                del work.book.metadata[number]
            else:
                item.location = {"dimensionRange": {**at, "startIndex": span[0], "endIndex": span[1]}}
    rewrite_formulas(work, lambda home, ref: _reference(work, tab, home, ref, shift, rows=rows))


def _move_boxes(tab: Tab, shift: Shift, *, rows: bool) -> None:
    if rows:
        tab.attributes.move_rows(shift.span)
        tab.row_sizes.move_rows(shift.span)
        gone = range(shift.at, shift.at - shift.count)
        tab.filtered_rows = frozenset(shift.start(row) for row in tab.filtered_rows if row not in gone)
    else:
        tab.attributes.move_columns(shift.span)
        tab.column_sizes.move_rows(shift.span)
    moved = []
    for box in tab.merges:
        span = shift.span(box.row, box.end_row) if rows else shift.span(box.column, box.end_column)
        if span:
            moved.append(Box(*span, box.column, box.end_column) if rows else Box(box.row, box.end_row, *span))
    tab.merges = moved


def _on(item: Json, tab: Tab) -> bool:
    return bool(item["range"].get("sheetId", 0) == tab.sheet_id)


def _move_range(item: Json, shift: Shift, name: str) -> bool:
    moved = grid_range(item["range"], shift, name)
    if moved is not None:
        item["range"] = moved
    return moved is not None


def _reference(work: Work, moved: Tab, home: Tab, ref: Reference, shift: Shift, *, rows: bool) -> Reference | None:
    tab = home if ref.title is None else work.book.find(ref.title)
    return shifted(ref, shift, rows=rows) if tab is moved else ref


def rewrite_formulas(work: Work, change: Callable[[Tab, Reference], Reference | None]) -> None:
    """Put each formula of the spreadsheet through a change of its references."""
    for tab in work.book.tabs:
        for row, column, text in list(tab.grid.formulas()):
            fresh = rewritten(text, lambda ref, home=tab: change(home, ref))  # type: ignore[misc]
            if fresh != text:
                tab.grid.write(row, column, [[{"f": fresh}]])
    work.changed()


def append_dimension(work: Work, body: Json) -> Json:
    tab, rows = work.book.tab(body.get("sheetId", 0)), _is_rows(body)
    length = body.get("length", 0)
    if length < 1:
        raise bad("length must be greater than 0")
    if not rows and tab.columns + length > work.settings.limits.columns:
        raise bad(f"This action would exceed the maximum of {work.settings.limits.columns} columns.")
    tab.rows, tab.columns = (tab.rows + length, tab.columns) if rows else (tab.rows, tab.columns + length)
    work.check_size()
    return {}


def insert_dimension(work: Work, body: Json) -> Json:
    tab, start, end, rows = _range(work, body["range"])
    if end <= start:
        raise bad("range must not be empty")
    size = tab.rows if rows else tab.columns
    if start > size or (start == size and body.get("inheritFromBefore") is not True):
        raise bad(f"range.startIndex[{start}] is too large. Must be less than or equal to {size}")
    if body.get("inheritFromBefore") and start == 0:
        raise bad("inheritFromBefore cannot be true if inserting at index 0")
    insert(work, tab, start, end - start, rows=rows)
    _inherit(tab, (start, end, rows), from_before=bool(body.get("inheritFromBefore")))
    return {}


def _inherit(tab: Tab, inserted: tuple[int, int, bool], *, from_before: bool) -> None:
    """What is inserted takes formats from the row or column before it, or after it."""
    start, end, rows = inserted
    donor = start - 1 if from_before else end
    if not rows:
        for first, last, attributes in list(tab.attributes.runs(donor, 0, tab.rows)):
            _give_format(tab, Box(first, last, start, end), attributes)
        return
    for column in tab.attributes.columns():
        _give_format(tab, Box(start, end, column, column + 1), tab.attributes.at(donor, column))


def _give_format(tab: Tab, box: Box, attributes: Json) -> None:
    shape = {name: value for name, value in attributes.items() if name == "userEnteredFormat"}
    tab.attributes.change(box, lambda _: shape)


def delete_dimension(work: Work, body: Json) -> Json:
    tab, start, end, rows = _range(work, body["range"])
    size = tab.rows if rows else tab.columns
    if end > size or start >= end:
        raise bad(f"Cannot delete a {'row' if rows else 'column'} that doesn't exist. Tried to delete index {start}")
    box = Box(start, end, 0, tab.columns) if rows else Box(0, tab.rows, start, end)
    work.may_write(tab, box)
    delete(work, tab, start, end, rows=rows)
    return {}


def update_dimension_properties(work: Work, body: Json) -> Json:
    if "range" not in body:
        raise bad("One of 'range' or 'dataSourceSheetRange' must be set.")
    tab, start, end, rows = _range(work, body["range"])
    mask = writing(body.get("fields", ""), "DimensionProperties", work.discovery)
    given = body.get("properties", {})
    sizes: Attributes = tab.row_sizes if rows else tab.column_sizes
    sizes.change(Box(start, end, 0, 1), lambda now: _sized(merged(mask, now, given)))
    return {}


def _sized(properties: Json) -> Json:
    return {name: value for name, value in properties.items() if value is not False}


def auto_resize_dimensions(work: Work, body: Json) -> Json:
    """Sizes are for people's eyes; nothing here depends on them."""
    _range(work, body["dimensions"])
    return {}


def _is_rows(at: Json) -> bool:
    if at.get("dimension") not in ("ROWS", "COLUMNS"):
        raise bad("dimension must be specified.")
    return bool(at["dimension"] == "ROWS")


def _range(work: Work, at: Json) -> tuple[Tab, int, int, bool]:
    tab, rows = work.book.tab(at.get("sheetId", 0)), _is_rows(at)
    size = tab.rows if rows else tab.columns
    start, end = at.get("startIndex", 0), at.get("endIndex", size)
    if start < 0 or end < start:
        raise bad(f"range.startIndex[{start}] must be before range.endIndex[{end}]")
    return tab, start, end, rows


KINDS: dict[str, Callable[[Work, Any], Json]] = {
    "appendDimension": append_dimension,
    "insertDimension": insert_dimension,
    "deleteDimension": delete_dimension,
    "updateDimensionProperties": update_dimension_properties,
    "autoResizeDimensions": auto_resize_dimensions,
}
