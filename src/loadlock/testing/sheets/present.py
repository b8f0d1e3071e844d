"""`spreadsheets.get`: the spreadsheet as the API shows it, with or without cells, as much as a field mask asks for."""

from __future__ import annotations

from typing import Any

from loadlock.testing.sheets.a1 import Box, grid_range
from loadlock.testing.sheets.book import Book, Metadata, Tab
from loadlock.testing.sheets.errors import Json, unknown
from loadlock.testing.sheets.grid import Cell
from loadlock.testing.sheets.masks import Mask, wants
from loadlock.testing.sheets.render import shown
from loadlock.testing.sheets.work import Work


def spreadsheet(work: Work, *, ranges: list[str], grid_data: bool, mask: Mask | None) -> Json:
    """A Spreadsheet. With ranges, only the tabs that they name. A mask alone decides on cells; `grid_data` is then ignored."""
    book = work.book
    if mask:
        grid_data = wants(mask, "sheets", "data")
    wanted: dict[int, list[Box]] = {}
    for text in ranges:
        tab, at = book.resolve(text)
        box = tab.box(at)
        if box.row >= tab.rows or box.column >= tab.columns:
            raise tab.beyond(text)
        wanted.setdefault(tab.sheet_id, []).append(box)
    tabs = [tab for tab in book.tabs if not ranges or tab.sheet_id in wanted]
    answer: Json = {
        "spreadsheetId": book.spreadsheet_id,
        "properties": _properties(book),
        "sheets": [_sheet(work, tab, wanted.get(tab.sheet_id, [tab.whole]), grid_data=grid_data) for tab in tabs],
    }
    if book.named:
        answer["namedRanges"] = book.named
    answer["spreadsheetUrl"] = f"https://docs.google.com/spreadsheets/d/{book.spreadsheet_id}/edit"
    loose = [metadata_json(item) for item in book.metadata.values() if item.sheet_id is None]
    if loose:
        answer["developerMetadata"] = loose
    return answer


def _properties(book: Book) -> Json:
    fixed = {
        "autoRecalc": "ON_CHANGE",
        "defaultFormat": {"wrapStrategy": "OVERFLOW_CELL", "verticalAlignment": "BOTTOM"},
    }
    return {"title": book.title, "locale": book.locale, "timeZone": book.time_zone, **fixed}


def sheet_properties(book: Book, tab: Tab) -> Json:
    """A SheetProperties; `hidden` is left out when false, as the service does."""
    grid = {"rowCount": tab.rows, "columnCount": tab.columns, **tab.grid_properties}
    shown_properties: Json = {
        "sheetId": tab.sheet_id,
        "title": tab.title,
        "index": book.tabs.index(tab),
        "sheetType": "GRID",
        "gridProperties": grid,
    }
    if tab.hidden:
        shown_properties["hidden"] = True
    return {**shown_properties, **tab.properties}


def _sheet(work: Work, tab: Tab, boxes: list[Box], *, grid_data: bool) -> Json:
    sheet: Json = {"properties": sheet_properties(work.book, tab)}
    if grid_data:
        sheet["data"] = [_grid_data(work, tab, box) for box in boxes]
    parts = {
        "merges": [grid_range(tab.sheet_id, box) for box in tab.merges],
        "protectedRanges": [protected_json(work, item) for item in tab.protected],
        "basicFilter": tab.filter,
        "charts": tab.charts,
        "developerMetadata": [
            metadata_json(item)
            for item in work.book.metadata.values()
            if item.sheet_id == tab.sheet_id and "sheetId" in item.location
        ],
    }
    return sheet | {name: value for name, value in parts.items() if value}


def protected_json(work: Work, item: Json) -> Json:
    """A ProtectedRange as this account sees it; its editors are shown only to those who may edit."""
    can_edit = work.may_edit(item)
    hidden = () if can_edit else ("editors",)
    seen = {name: value for name, value in item.items() if name not in hidden}
    return {**seen, **({"requestingUserCanEdit": True} if can_edit else {})}


def metadata_json(item: Metadata) -> Json:
    """A DeveloperMetadata."""
    location = dict(item.location)
    if "dimensionRange" in location:
        location["locationType"] = "ROW" if location["dimensionRange"]["dimension"] == "ROWS" else "COLUMN"
    else:
        location["locationType"] = "SPREADSHEET" if location.get("spreadsheet") else "SHEET"
    answer = {
        "metadataId": item.metadata_id,
        "metadataKey": item.key,
        "location": location,
        "visibility": item.visibility,
    }
    return answer if item.value is None else {**answer, "metadataValue": item.value}


def _grid_data(work: Work, tab: Tab, box: Box) -> Json:
    data: Json = {}
    if box.row:
        data["startRow"] = box.row
    if box.column:
        data["startColumn"] = box.column
    last = max(box.row, tab.grid.last_row(box))
    for column in range(box.column, box.end_column):
        last = max([last, *(end for _, end, _ in tab.attributes.runs(column, box.row, box.end_row))])
    work.cells += (last - box.row) * box.columns
    columns = tab.grid.read(Box(box.row, last, box.column, box.end_column))
    rows = [
        _row(work, tab, (box.row + index, box.column), cells) for index, cells in enumerate(zip(*columns, strict=True))
    ]
    if rows:
        data["rowData"] = rows
    for name, start, end in (("ROWS", box.row, box.end_row), ("COLUMNS", box.column, box.end_column)):
        marks = _dimension_metadata(work.book, tab, name)
        data["rowMetadata" if name == "ROWS" else "columnMetadata"] = [
            _size(tab, at, rows=name == "ROWS") | marks.get(at, {}) for at in range(start, end)
        ]
    return data


def _dimension_metadata(book: Book, tab: Tab, dimension: str) -> dict[int, Json]:
    """The developer metadata of rows or columns, by their place."""
    found: dict[int, Json] = {}
    for item in book.metadata.values():
        at = item.location.get("dimensionRange", {})
        if at.get("dimension") == dimension and item.sheet_id == tab.sheet_id:
            marks = found.setdefault(at.get("startIndex", 0), {"developerMetadata": []})
            marks["developerMetadata"].append(metadata_json(item))
    return found


def _size(tab: Tab, at: int, *, rows: bool) -> Json:
    own = (tab.row_sizes if rows else tab.column_sizes).at(at, 0)
    hidden = {"hiddenByFilter": True} if rows and at in tab.filtered_rows else {}
    return {"pixelSize": 21 if rows else 100, **own, **hidden}


def _row(work: Work, tab: Tab, start: tuple[int, int], cells: tuple[Cell, ...]) -> Json:
    row, column = start
    values = [_cell_data(work, tab, (row, column + index), cell) for index, cell in enumerate(cells)]
    while values and not values[-1]:
        values.pop()
    return {"values": values} if values else {}


def _cell_data(work: Work, tab: Tab, place: tuple[int, int], cell: Cell) -> Json:
    attributes = tab.attributes.at(*place)
    data: Json = {}
    if cell is not None:
        value = work.evaluator.value(tab, *place, cell)
        data["userEnteredValue"] = extended(cell)
        data["effectiveValue"] = extended(value)
        data["formattedValue"] = shown(value, attributes)
    data |= attributes
    if "userEnteredFormat" in attributes:
        data["effectiveFormat"] = attributes["userEnteredFormat"]
    return data


def extended(cell: Any) -> Json:
    """An ExtendedValue of a cell."""
    if isinstance(cell, bool):
        return {"boolValue": cell}
    if isinstance(cell, str):
        return {"stringValue": cell}
    if isinstance(cell, dict):
        return {"formulaValue": cell["f"]} if "f" in cell else {"errorValue": {"type": cell["e"]}}
    return {} if cell is None else {"numberValue": cell}


def get(work: Work, query: Json, mask: Mask | None) -> Json:
    """spreadsheets.get."""
    if query.get("excludeTablesInBandedRanges"):
        raise unknown("excludeTablesInBandedRanges")
    ranges, grid = query.get("ranges", []), bool(query.get("includeGridData"))
    return spreadsheet(work, ranges=ranges, grid_data=grid, mask=mask)
