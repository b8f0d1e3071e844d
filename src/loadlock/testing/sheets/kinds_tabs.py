"""Requests about tabs and the spreadsheet: add, delete, duplicate, change their properties."""

from __future__ import annotations

from collections.abc import Callable

from loadlock.testing.sheets.book import Tab
from loadlock.testing.sheets.dimensions import resize, rewrite_formulas
from loadlock.testing.sheets.errors import Json, bad, unknown
from loadlock.testing.sheets.formula_text import Reference
from loadlock.testing.sheets.masks import merged, writing
from loadlock.testing.sheets.present import sheet_properties
from loadlock.testing.sheets.work import Work

_OWN = ("sheetId", "title", "index", "sheetType", "hidden", "gridProperties")
_SIZE = ("rowCount", "columnCount")


def add_sheet(work: Work, body: Json) -> Json:
    given = body.get("properties", {})
    if given.get("sheetType", "GRID") != "GRID":
        raise unknown(f"tabs of the type {given['sheetType']}")
    tab = Tab(sheet_id=_free_id(work, given.get("sheetId")), title=_free_title(work, given.get("title")))
    grid = given.get("gridProperties", {})
    tab.properties = {name: value for name, value in given.items() if name not in _OWN}
    tab.grid_properties = {name: value for name, value in grid.items() if name not in _SIZE}
    tab.hidden = given.get("hidden", False)
    _insert(work, tab, given.get("index"))
    tab.rows, tab.columns = 1, 1
    resize(work, tab, grid.get("rowCount", 1000), grid.get("columnCount", 26))
    return {"properties": sheet_properties(work.book, tab)}


def delete_sheet(work: Work, body: Json) -> Json:
    tab = work.book.tab(body.get("sheetId", 0))
    if not any(not other.hidden for other in work.book.tabs if other is not tab):
        raise bad("You can't remove all the visible sheets in a document.")
    work.may_write(tab, tab.whole)
    work.book.tabs.remove(tab)
    work.book.named = [item for item in work.book.named if item["range"].get("sheetId", 0) != tab.sheet_id]
    kept = {number: item for number, item in work.book.metadata.items() if item.sheet_id != tab.sheet_id}
    work.book.metadata = kept

    def lost(_: Tab, ref: Reference) -> Reference | None:
        return None if ref.title is not None and ref.title.lower() == tab.title.lower() else ref

    rewrite_formulas(work, lost)
    return {}


def duplicate_sheet(work: Work, body: Json) -> Json:
    source = work.book.tab(body.get("sourceSheetId", 0))
    tab = source.copy()
    tab.title = _free_title(work, body.get("newSheetName"), f"Copy of {source.title}")
    tab.sheet_id = _free_id(work, body.get("newSheetId"))
    taken = _object_ids(work)
    for item in tab.protected:
        item["range"]["sheetId"] = tab.sheet_id
        item["protectedRangeId"] = work.book.fresh_id(taken)
    for chart in tab.charts:
        chart["chartId"] = work.book.fresh_id(taken)
    if tab.filter:
        tab.filter["range"]["sheetId"] = tab.sheet_id
    _insert(work, tab, body.get("insertSheetIndex", 0))
    work.check_size()
    work.cells += source.grid.rows * source.grid.columns
    return {"properties": sheet_properties(work.book, tab)}


def update_sheet_properties(work: Work, body: Json) -> Json:
    given = body.get("properties", {})
    tab = work.book.tab(given.get("sheetId", 0))
    mask = writing(body.get("fields", ""), "SheetProperties", work.discovery)
    if "title" in mask and given.get("title") != tab.title:
        _rename(work, tab, given.get("title"))
    if "hidden" in mask:
        _hide(work, tab, hidden=given.get("hidden", False))
    if "gridProperties" in mask:
        _grid_properties(work, tab, mask["gridProperties"], given.get("gridProperties", {}))
    other = {name: inner for name, inner in mask.items() if name not in _OWN}
    tab.properties = merged(other, tab.properties, given)
    if "index" in mask and body.get("fields") != "*":
        _move(work, tab, given.get("index", 0))
    return {}


def _grid_properties(work: Work, tab: Tab, mask: Json, given: Json) -> None:
    mask = {name: {} for name in work.discovery.paths("GridProperties")} if not mask or "*" in mask else mask
    rows = given.get("rowCount", 0) if "rowCount" in mask else tab.rows
    columns = given.get("columnCount", 0) if "columnCount" in mask else tab.columns
    for name, size in (("frozenRowCount", rows), ("frozenColumnCount", columns)):
        frozen = given.get(name, 0) if name in mask else tab.grid_properties.get(name, 0)
        if frozen >= size > 0:
            raise bad("You can't freeze all visible rows on the sheet.")
    resize(work, tab, rows, columns)
    rest = {name: inner for name, inner in mask.items() if name not in _SIZE}
    tab.grid_properties = {n: v for n, v in merged(rest, tab.grid_properties, given).items() if v}


def update_spreadsheet_properties(work: Work, body: Json) -> Json:
    mask = writing(body.get("fields", ""), "SpreadsheetProperties", work.discovery)
    given = body.get("properties", {})
    for name in mask:
        if name == "title":
            work.book.title = given.get("title", "")
        elif name == "timeZone":
            work.book.time_zone = given.get("timeZone", "")
        else:
            raise unknown(f"how to change the spreadsheet's {name}")
    return {}


def _rename(work: Work, tab: Tab, title: str | None) -> None:
    if not title:
        raise bad("Sheet name cannot be empty.")
    old = tab.title
    tab.title = _free_title(work, title, but=tab)

    def follow(_: Tab, ref: Reference) -> Reference:
        named = ref.title is not None and ref.title.lower() == old.lower()
        return Reference(title=title, first=ref.first, last=ref.last) if named else ref

    rewrite_formulas(work, follow)


def _hide(work: Work, tab: Tab, *, hidden: bool) -> None:
    if hidden and not any(not other.hidden for other in work.book.tabs if other is not tab):
        raise bad("You can't hide all the sheets in a document.")
    tab.hidden = hidden


def _insert(work: Work, tab: Tab, index: int | None) -> None:
    if len(work.book.tabs) >= work.settings.limits.tabs:
        raise bad(f"You can't have more than {work.settings.limits.tabs} sheets in a document.")
    end = len(work.book.tabs)
    if index is not None and not 0 <= index <= end:
        raise bad(f"sheet.index[{index}] is out of range. Must be between 0 and {end}")
    work.book.tabs.insert(end if index is None else index, tab)


def _move(work: Work, tab: Tab, index: int) -> None:
    """The index counts as before the move, as the service does it."""
    tabs = work.book.tabs
    if not 0 <= index <= len(tabs):
        raise bad(f"sheet.index[{index}] is out of range. Must be between 0 and {len(tabs)}")
    at = tabs.index(tab)
    tabs.pop(at)
    tabs.insert(index - 1 if index > at else index, tab)


def _free_title(work: Work, title: str | None, default: str | None = None, *, but: Tab | None = None) -> str:
    if title:
        other = work.book.find(title)
        if other is not None and other is not but:
            raise bad(f'A sheet with the name "{title}" already exists. Please enter another name.')
        if len(title) > 100:
            raise bad("Sheet name cannot be longer than 100 characters.")
        return title
    number, base = len(work.book.tabs) + 1, default
    candidate = base or f"Sheet{number}"
    while work.book.find(candidate) is not None:
        number += 1
        candidate = f"{base} {number}" if base else f"Sheet{number}"
    return candidate


def _free_id(work: Work, wanted: int | None) -> int:
    taken = {tab.sheet_id for tab in work.book.tabs}
    if wanted is None:
        return work.book.fresh_id(taken)
    if wanted < 0:
        raise bad("sheetId must be non-negative.")
    if wanted in taken:
        raise bad(f"The sheetId {wanted} already exists.")
    return wanted


def _object_ids(work: Work) -> set[int]:
    protected = {item["protectedRangeId"] for tab in work.book.tabs for item in tab.protected}
    return protected | {chart["chartId"] for tab in work.book.tabs for chart in tab.charts}


KINDS: dict[str, Callable[[Work, Json], Json]] = {
    "addSheet": add_sheet,
    "deleteSheet": delete_sheet,
    "duplicateSheet": duplicate_sheet,
    "updateSheetProperties": update_sheet_properties,
    "updateSpreadsheetProperties": update_spreadsheet_properties,
}
