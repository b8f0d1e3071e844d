"""Requests that paste, move and replace. Rows that a basic filter hides are neither read nor written (a setting)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any

from loadlock.testing.sheets import entry
from loadlock.testing.sheets.a1 import Box
from loadlock.testing.sheets.book import Tab, open_area
from loadlock.testing.sheets.errors import Json, bad, unknown
from loadlock.testing.sheets.formula_text import carried, reference, rewritten, tokens
from loadlock.testing.sheets.grid import SLICE_ROWS, Cell
from loadlock.testing.sheets.render import shown
from loadlock.testing.sheets.work import Work

_WITH_VALUES = ("PASTE_NORMAL", "PASTE_VALUES", "PASTE_FORMULA", "PASTE_NO_BORDERS")
_WITH_FORMATS = ("PASTE_NORMAL", "PASTE_FORMAT", "PASTE_NO_BORDERS")


def copy_paste(work: Work, body: Json) -> Json:
    kind = body.get("pasteType", "PASTE_NORMAL")
    if body.get("pasteOrientation", "NORMAL") != "NORMAL":
        raise unknown("copyPaste with TRANSPOSE")
    if kind not in (*_WITH_VALUES, "PASTE_FORMAT"):
        raise unknown(f"copyPaste with {kind}")
    source, box = work.grid_range(body.get("source", {}))
    target, goal = work.grid_range(body.get("destination", {}))
    if not box.cells:
        raise bad("The source range must not be empty.")
    frozen = source.copy()
    for row, column in _tiles(box, goal):
        place = Box(row, row + box.rows, column, column + box.columns)
        if not place.within(target.whole):
            raise bad(
                f"The destination range exceeds grid limits. Max rows: {target.rows}, max columns: {target.columns}"
            )
        work.may_write(target, place)
        _paste(work, (frozen, box), (target, row, column), kind)
    return {}


def _tiles(box: Box, goal: Box) -> Iterable[tuple[int, int]]:
    """Where copies go: a destination that is a multiple of the source is filled, any other is only a corner."""
    down = goal.rows // box.rows if goal.rows and goal.rows % box.rows == 0 else 1
    right = goal.columns // box.columns if goal.columns and goal.columns % box.columns == 0 else 1
    return [(goal.row + d * box.rows, goal.column + r * box.columns) for d in range(down) for r in range(right)]


def _paste(work: Work, source: tuple[Tab, Box], goal: tuple[Tab, int, int], kind: str) -> None:
    tab, box = source
    target, row, column = goal
    hidden = work.settings.paste_skips_filtered_rows and (tab.filtered_rows or target.filtered_rows)
    if hidden:
        _paste_visible(work, source, goal, kind)
        return
    if kind in _WITH_VALUES and (tab.grid.had_formulas or target.merges):
        for start, columns in tab.grid.slices(box):
            cells = _carried(work, tab, (start, box.column), columns, kind, (row - box.row, column - box.column))
            work.write(target, row + start - box.row, column, cells)
    elif kind in _WITH_VALUES:
        target.grid.paste(tab.grid, box, row, column)
        work.cells += box.cells
        work.changed()
    if kind in _WITH_FORMATS:
        target.attributes.copy_box(tab.attributes, box, row, column)
        _merge_alike(tab, target, box, (row - box.row, column - box.column))


def _paste_visible(work: Work, source: tuple[Tab, Box], goal: tuple[Tab, int, int], kind: str) -> None:
    """Visible rows of the source onto visible rows of the destination: what a person's paste does under a filter."""
    tab, box = source
    target, row, column = goal
    place = row
    for line in range(box.row, box.end_row):
        if line in tab.filtered_rows:
            continue
        while place in target.filtered_rows:
            place += 1
        if place >= min(target.rows, row + box.rows):
            return
        if kind in _WITH_VALUES:
            columns = tab.grid.read(Box(line, line + 1, box.column, box.end_column))
            offset = (place - line, column - box.column)
            work.write(target, place, column, _carried(work, tab, (line, box.column), columns, kind, offset))
        if kind in _WITH_FORMATS:
            target.attributes.copy_box(tab.attributes, Box(line, line + 1, box.column, box.end_column), place, column)
        place += 1


def _carried(
    work: Work, tab: Tab, start: tuple[int, int], columns: list[list[Cell]], kind: str, offset: tuple[int, int]
) -> list[list[Cell]]:
    """Cells on their way: formulas become their values, or their relative references move along."""
    for right, cells in enumerate(columns):
        for index, cell in enumerate(cells):
            if not isinstance(cell, dict) or "f" not in cell:
                continue
            if kind == "PASTE_VALUES":
                cells[index] = work.evaluator.value(tab, start[0] + index, start[1] + right, cell)
            else:
                cells[index] = {"f": rewritten(cell["f"], lambda ref: carried(ref, *offset))}
    return columns


def _merge_alike(tab: Tab, target: Tab, box: Box, offset: tuple[int, int]) -> None:
    down, right = offset
    place = Box(box.row + down, box.end_row + down, box.column + right, box.end_column + right)
    kept = [merge for merge in target.merges if not merge.touches(place)]
    copied = [merge for merge in tab.merges if merge.within(box)]
    moved = [Box(m.row + down, m.end_row + down, m.column + right, m.end_column + right) for m in copied]
    target.merges = [*kept, *moved]


def cut_paste(work: Work, body: Json) -> Json:
    """Move cells. Whatever refers to them would move along: refused where something does."""
    kind = body.get("pasteType", "PASTE_NORMAL")
    if kind != "PASTE_NORMAL":
        raise unknown(f"cutPaste with {kind}")
    source, box = work.grid_range(body.get("source", {}))
    corner = body.get("destination", {})
    target, row, column = (
        work.book.tab(corner.get("sheetId", 0)),
        corner.get("rowIndex", 0),
        corner.get("columnIndex", 0),
    )
    place = Box(row, row + box.rows, column, column + box.columns)
    if not place.within(target.whole):
        raise bad(f"The destination range exceeds grid limits. Max rows: {target.rows}, max columns: {target.columns}")
    if _referred(work, source, box):
        raise unknown("cutPaste of cells that a formula or named range refers to")
    work.may_write(source, box)
    work.may_write(target, place)
    frozen = source.copy()
    source.grid.clear(box)
    source.attributes.change(box, lambda _: {})
    for start, columns in frozen.grid.slices(box):
        work.write(target, row + start - box.row, column, columns)
    target.attributes.copy_box(frozen.attributes, box, row, column)
    return {}


def _referred(work: Work, source: Tab, box: Box) -> bool:
    for item in work.book.named:
        tab = work.book.tab(item["range"].get("sheetId", 0))
        if tab is source and tab.box(open_area(item["range"])).touches(box):
            return True
    for tab in work.book.tabs:
        for _, _, text in tab.grid.formulas():
            for kind, part in tokens(text):
                ref = reference(part) if kind == "reference" else None
                if ref and (tab if ref.title is None else work.book.find(ref.title)) is source:
                    return True
    return False


def paste_data(work: Work, body: Json) -> Json:
    """Text pasted as a person would: parsed like typing."""
    if body.get("html") or body.get("type", "PASTE_NORMAL") not in ("PASTE_NORMAL", "PASTE_VALUES"):
        raise unknown("pasteData of HTML or with a type other than PASTE_NORMAL and PASTE_VALUES")
    if len(body.get("delimiter", "")) != 1:
        raise bad("delimiter must be exactly one character.")
    at = body.get("coordinate", {})
    tab, row, column = work.book.tab(at.get("sheetId", 0)), at.get("rowIndex", 0), at.get("columnIndex", 0)
    lines = list(csv.reader(io.StringIO(body.get("data", ""), newline=""), delimiter=body["delimiter"]))
    width = max((len(line) for line in lines), default=0)
    tab.rows, tab.columns = max(tab.rows, row + len(lines)), max(tab.columns, column + width)
    work.check_size()
    work.may_write(tab, Box(row, row + len(lines), column, column + width))
    place = row
    for line in lines:
        while work.settings.paste_skips_filtered_rows and place in tab.filtered_rows:
            place += 1
        tab.rows = max(tab.rows, place + 1)
        cells = [entry.typed(text, work.today)[0] if text else None for text in line]
        work.write(tab, place, column, [[cell] for cell in cells])
        place += 1
    work.check_size()
    return {}


def find_replace(work: Work, body: Json) -> Json:
    """Replace text in cells; formulas are left alone and refused when asked for."""
    if body.get("includeFormulas"):
        raise unknown("findReplace with includeFormulas")
    if not body.get("find"):
        raise bad("find must not be empty.")
    pattern = _pattern(body)
    replacement = body.get("replacement", "")
    change = replacement if body.get("searchByRegex") else replacement.replace("\\", "\\\\")
    cells_changed, occurrences, rows, tabs = 0, 0, 0, 0
    for tab, box in _searched(work, body):
        changed_rows = set()
        for row, column, cell in _found(tab, box):
            fresh, count = pattern.subn(change, shown(cell, tab.attributes.at(row, column)))
            if not count:
                continue
            work.may_write(tab, Box(row, row + 1, column, column + 1))
            work.write(tab, row, column, [[entry.typed(fresh, work.today)[0] if fresh else None]])
            cells_changed, occurrences = cells_changed + 1, occurrences + count
            changed_rows.add(row)
        rows, tabs = rows + len(changed_rows), tabs + bool(changed_rows)
    counts = {
        "valuesChanged": cells_changed,
        "rowsChanged": rows,
        "sheetsChanged": tabs,
        "occurrencesChanged": occurrences,
    }
    return {name: count for name, count in counts.items() if count}


def _pattern(body: Json) -> re.Pattern[str]:
    text = body["find"] if body.get("searchByRegex") else re.escape(body["find"])
    if body.get("matchEntireCell"):
        text = rf"\A(?:{text})\Z"
    try:
        return re.compile(text, 0 if body.get("matchCase") else re.IGNORECASE)
    except re.error as error:
        raise bad(f"Invalid regular expression: {error}") from error


def _searched(work: Work, body: Json) -> list[tuple[Tab, Box]]:
    if body.get("allSheets"):
        return [(tab, tab.whole) for tab in work.book.tabs]
    if "range" in body:
        return [work.grid_range(body["range"])]
    if "sheetId" not in body:
        raise bad("One of 'range', 'sheetId' or 'allSheets' must be set.")
    tab = work.book.tab(body["sheetId"])
    return [(tab, tab.whole)]


def _found(tab: Tab, box: Box) -> Iterable[tuple[int, int, Any]]:
    box = Box(box.row, min(box.end_row, tab.grid.rows), box.column, min(box.end_column, tab.grid.columns))
    for row in range(box.row, box.end_row, SLICE_ROWS):
        end = min(box.end_row, row + SLICE_ROWS)
        for line, cells in enumerate(zip_longest(*tab.grid.read(Box(row, end, box.column, box.end_column)))):
            for column, cell in enumerate(cells):
                if cell is not None and not isinstance(cell, dict):
                    yield row + line, box.column + column, cell


KINDS: dict[str, Callable[[Work, Any], Json]] = {
    "copyPaste": copy_paste,
    "cutPaste": cut_paste,
    "pasteData": paste_data,
    "findReplace": find_replace,
}
