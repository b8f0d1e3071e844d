"""The `spreadsheets.values` methods: reading and writing plain values by A1 ranges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from loadlock.testing.sheets import entry
from loadlock.testing.sheets.a1 import Area, Box, letters, written
from loadlock.testing.sheets.book import Tab
from loadlock.testing.sheets.errors import ApiError, Json, bad, payload
from loadlock.testing.sheets.grid import Cell
from loadlock.testing.sheets.render import is_date, shown
from loadlock.testing.sheets.work import Work

_NONE = type(None)
_NULL = object()
"""A null in the request, or a cell that a short row doesn't have: what is there stays."""


def get(work: Work, range_text: str, query: Json) -> Json:
    """values.get: the range without empty rows and cells at its end. Its start must lie within the grid."""
    tab, at = work.book.resolve(range_text)
    box = tab.box(at)
    if box.row >= tab.rows or box.column >= tab.columns:
        raise tab.beyond(range_text)
    dimension = query.get("majorDimension", "ROWS")
    answer: Json = {"range": written(tab.title, box), "majorDimension": dimension}
    values = rendered(work, tab, box, query)
    found = _trimmed(values if dimension == "COLUMNS" else list(zip(*values, strict=True)))
    if found:
        answer["values"] = found
    return answer


def rendered(work: Work, tab: Tab, box: Box, query: Json) -> list[list[Any]]:
    """The columns of the box as they are answered, empty cells as None; rows without a value at the end left out."""
    box = Box(box.row, max(box.row, tab.grid.last_row(box)), box.column, box.end_column)
    work.cells += box.cells
    option = query.get("valueRenderOption", "FORMATTED_VALUE")
    dates = query.get("dateTimeRenderOption", "SERIAL_NUMBER")
    columns = tab.grid.read(box)
    plain = (
        (str, _NONE) if option == "FORMATTED_VALUE" or dates == "FORMATTED_STRING" else (str, _NONE, int, float, bool)
    )
    for offset, cells in enumerate(columns):
        column = box.column + offset
        for index in [index for index, cell in enumerate(cells) if type(cell) not in plain]:
            cell = cells[index]
            cells[index] = _rendered(work, tab, box.row + index, column, (cell, option, dates))
    return columns


def _rendered(work: Work, tab: Tab, row: int, column: int, how: tuple[Cell, str, str]) -> Any:
    cell, option, dates = how
    if isinstance(cell, dict) and "f" in cell and option == "FORMULA":
        return cell["f"]
    value = work.evaluator.value(tab, row, column, cell)
    if isinstance(value, bool) and option != "FORMATTED_VALUE":
        return value
    attributes = tab.attributes.at(row, column)
    if isinstance(value, int | float) and option != "FORMATTED_VALUE":
        return shown(value, attributes) if dates == "FORMATTED_STRING" and is_date(attributes) else value
    return shown(value, attributes)


def _trimmed(lines: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Lines without empty cells at their end, the empty ones between as "", without empty lines at the end."""
    found = []
    for line in lines:
        end = len(line)
        while end and line[end - 1] is None:
            end -= 1
        found.append(["" if value is None else value for value in line[:end]])
    while found and not found[-1]:
        found.pop()
    return found


def batch_get(work: Work, query: Json) -> Json:
    """values.batchGet: several ranges, one request."""
    ranges = [get(work, text, query) for text in query.get("ranges", [])]
    return {"spreadsheetId": work.book.spreadsheet_id, "valueRanges": ranges}


def update(work: Work, range_text: str, body: Json, query: Json) -> Json:
    """values.update: write into a range; it never grows the grid."""
    if "range" in body and body["range"] != range_text:
        raise bad(f"Requested range [{range_text}] does not match value range [{body['range']}]")
    return _update(work, range_text, body, query)


def batch_update(work: Work, body: Json) -> Json:
    """values.batchUpdate: several ranges, all or nothing."""
    parts = []
    for index, item in enumerate(body.get("data", [])):
        if "range" not in item:
            raise bad(f"Invalid data[{index}]: Unable to parse range: ")
        try:
            parts.append(_update(work, item["range"], item, body))
        except ApiError as error:
            raise error.prefixed(f"Invalid data[{index}]") from error
    titles = {work.book.resolve(item["range"])[0].title for item in body.get("data", [])}
    answer: Json = {"spreadsheetId": work.book.spreadsheet_id}
    if parts:
        answer["totalUpdatedRows"] = sum(part.get("updatedRows", 0) for part in parts)
        answer["totalUpdatedColumns"] = sum(part.get("updatedColumns", 0) for part in parts)
        answer["totalUpdatedCells"] = sum(part.get("updatedCells", 0) for part in parts)
        answer["totalUpdatedSheets"] = len(titles)
        answer["responses"] = parts
    return answer


def _update(work: Work, range_text: str, body: Json, options: Json) -> Json:
    columns = columns_of(body)
    tab, at = work.book.resolve(range_text)
    rows = len(columns[0]) if columns else 0
    box = _target(tab, at, range_text, rows, len(columns))
    count = put(work, tab, box, columns, options)
    answer: Json = {"spreadsheetId": work.book.spreadsheet_id, "updatedRange": written(tab.title, box)}
    if count:
        answer |= {"updatedRows": rows, "updatedColumns": len(columns), "updatedCells": count}
    if options.get("includeValuesInResponse"):
        how = {
            "valueRenderOption": options.get("responseValueRenderOption", "FORMATTED_VALUE"),
            "dateTimeRenderOption": options.get("responseDateTimeRenderOption", "SERIAL_NUMBER"),
        }
        answer["updatedData"] = get(work, written(tab.title, box), how)
    return answer


def columns_of(body: Json) -> list[tuple[Any, ...]]:
    """The values of a ValueRange by column, gaps as `_NULL`."""
    lines = body.get("values", [])
    for index, line in enumerate(lines):
        if not isinstance(line, list):
            raise payload(
                f"data.values[{index}]", f"Invalid value at 'data.values[{index}]' (type.googleapis.com/ListValue)"
            )
    if body.get("majorDimension", "ROWS") != "COLUMNS":
        return list(zip_longest(*lines, fillvalue=_NULL))
    longest = max((len(line) for line in lines), default=0)
    return [(*line, *[_NULL] * (longest - len(line))) for line in lines]


def _target(tab: Tab, at: Area, range_text: str, rows: int, columns: int) -> Box:
    """Where values go: an anchor takes their size, a bounded range must hold them."""
    row, column = at.row or 0, at.column or 0
    whole_tab = at == Area(row=0, column=0)
    size = Box(row, row + max(rows, 1), column, column + max(columns, 1))
    named = (at.end_row or 0) > tab.rows or (at.end_column or 0) > tab.columns
    if size.end_row > tab.rows or size.end_column > tab.columns or (named and not at.anchor):
        raise tab.beyond(written(tab.title, size) if at.anchor or whole_tab else range_text)
    if at.anchor or whole_tab:
        return size
    for end, past, name in (
        (at.end_row, size.end_row, f"row [{size.end_row}]"),
        (at.end_column, size.end_column, f"column [{letters(size.end_column - 1)}]"),
    ):
        if end is not None and past > end:
            box = written(tab.title, tab.box(at))
            raise bad(f"Requested writing within range [{box}], but tried writing to {name}")
    return size


def put(work: Work, tab: Tab, box: Box, columns: Sequence[Sequence[Any]], options: Json) -> int:
    """Write columns of request values into the box; returns how many cells were given a value."""
    option = options.get("valueInputOption", "INPUT_VALUE_OPTION_UNSPECIFIED")
    if option == "INPUT_VALUE_OPTION_UNSPECIFIED":
        raise bad("'valueInputOption' is required but not specified")
    work.may_write(tab, box)
    count, written_columns = 0, []
    for offset, given in enumerate(columns):
        place = (tab, box.row, box.column + offset)
        cells, filled = _cells(work, place, given, typed=option == "USER_ENTERED")
        count += filled
        written_columns.append(cells)
    work.write(tab, box.row, box.column, written_columns)
    return count


def _cells(work: Work, place: tuple[Tab, int, int], given: Sequence[Any], *, typed: bool) -> tuple[list[Cell], int]:
    """One column's cells: nulls keep what is there."""
    tab, row, column = place
    longest = work.settings.limits.cell_chars
    cells: list[Cell] = []
    kept: list[int] = []
    for index, value in enumerate(given):
        kind = type(value)
        if kind is str and not typed and len(value) <= longest:
            cells.append(value or None)
        elif kind is bool or (kind is int and -(2**53) <= value <= 2**53):
            cells.append(value)
        elif value is None or value is _NULL:
            kept.append(index)
            cells.append(None)
        else:
            where = f"Invalid values[{index}][{column}]"
            cell = entry.raw(value, "" if isinstance(value, str) else f"{where}: ", longest)
            cells.append(_entered(work, tab, (row + index, column), cell) if typed and isinstance(cell, str) else cell)
    if kept:
        old = tab.grid.read(Box(row, row + len(cells), column, column + 1))[0]
        for index in kept:
            cells[index] = old[index]
    return cells, len(cells) - len(kept)


def _entered(work: Work, tab: Tab, place: tuple[int, int], text: str) -> Cell:
    cell, shape = entry.typed(text, work.today)
    row, column = place
    spot = Box(row, row + 1, column, column + 1)
    old = tab.attributes.at(row, column).get("userEnteredFormat", {})
    if old.get("numberFormat", {}).get("type") == "TEXT" and not text.startswith("="):
        return text
    if shape is not None and "numberFormat" not in old:
        tab.attributes.change(spot, lambda now: {**now, "userEnteredFormat": {**old, "numberFormat": shape}})
    return cell


def clear(work: Work, range_text: str) -> Json:
    """values.clear: empties values, keeps formats."""
    tab, at = work.book.resolve(range_text)
    box = tab.box(at)
    if box.row >= tab.rows or box.column >= tab.columns:
        raise tab.beyond(range_text)
    work.may_write(tab, box)
    work.cells += box.cells
    tab.grid.clear(box)
    work.changed()
    return {"spreadsheetId": work.book.spreadsheet_id, "clearedRange": written(tab.title, box)}


def batch_clear(work: Work, body: Json) -> Json:
    """values.batchClear: several ranges, all or nothing."""
    cleared = [clear(work, text)["clearedRange"] for text in body.get("ranges", [])]
    return {"spreadsheetId": work.book.spreadsheet_id, "clearedRanges": cleared}
