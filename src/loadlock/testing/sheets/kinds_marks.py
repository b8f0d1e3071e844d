"""Requests about what lies over cells: named and protected ranges, basic filters, merges, charts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from loadlock.testing.sheets.a1 import Box, is_cells
from loadlock.testing.sheets.book import Tab
from loadlock.testing.sheets.errors import Json, bad
from loadlock.testing.sheets.filters import hidden_rows
from loadlock.testing.sheets.masks import merged, writing
from loadlock.testing.sheets.present import protected_json
from loadlock.testing.sheets.work import Work


def add_named_range(work: Work, body: Json) -> Json:
    given = body.get("namedRange", {})
    _check_name(work, given.get("name", ""))
    work.grid_range(given.get("range", {}))
    taken = {item["namedRangeId"] for item in work.book.named}
    number = given.get("namedRangeId") or str(work.book.fresh_id(set()))
    if number in taken:
        raise bad(f"A named range with the id {number} already exists.")
    item = {"namedRangeId": number, "name": given["name"], "range": given["range"]}
    work.book.named.append(item)
    return {"namedRange": item}


def update_named_range(work: Work, body: Json) -> Json:
    given = body.get("namedRange", {})
    item = _named(work, given.get("namedRangeId", ""))
    mask = writing(body.get("fields", ""), "NamedRange", work.discovery)
    fresh = {**merged(mask, item, given), "namedRangeId": item["namedRangeId"]}
    if fresh.get("name") != item["name"]:
        _check_name(work, fresh.get("name", ""))
    work.grid_range(fresh.get("range", {}))
    item.clear()
    item.update(fresh)
    return {}


def delete_named_range(work: Work, body: Json) -> Json:
    work.book.named.remove(_named(work, body.get("namedRangeId", "")))
    return {}


def _named(work: Work, number: str) -> Json:
    for item in work.book.named:
        if item["namedRangeId"] == number:
            return item
    raise bad(f"No named range with id: {number}")


def _check_name(work: Work, name: str) -> None:
    if not re.match(r"[A-Za-z_][A-Za-z0-9_]{0,249}$", name) or is_cells(name) or name.lower() in ("true", "false"):
        raise bad(f"The name '{name}' is not a valid name for a named range.")
    if any(item["name"].lower() == name.lower() for item in work.book.named):
        raise bad(f"A named range with the name '{name}' already exists.")


def add_protected_range(work: Work, body: Json) -> Json:
    given = dict(body.get("protectedRange", {}))
    if "range" not in given:
        item = _named(work, given.get("namedRangeId", ""))
        given["range"] = item["range"]
    tab, _ = work.grid_range(given["range"])
    taken = {item["protectedRangeId"] for other in work.book.tabs for item in other.protected}
    number = given.get("protectedRangeId")
    if number in taken:
        raise bad(f"A protected range with the id {number} already exists.")
    given["protectedRangeId"] = work.book.fresh_id(taken) if number is None else number
    given.pop("requestingUserCanEdit", None)
    users = given.get("editors", {}).get("users", [])
    owners = [email for email, role in work.book.sharing.items() if role == "owner"]
    given["editors"] = {**given.get("editors", {}), "users": sorted({*users, *owners, work.account})}
    tab.protected.append(given)
    return {"protectedRange": protected_json(work, given)}


def update_protected_range(work: Work, body: Json) -> Json:
    given = body.get("protectedRange", {})
    tab, item = _protection(work, given.get("protectedRangeId"))
    if not work.may_edit(item):
        raise bad("You do not have permission to change this protected range.")
    mask = writing(body.get("fields", ""), "ProtectedRange", work.discovery)
    fresh = {**merged(mask, item, given), "protectedRangeId": item["protectedRangeId"]}
    if work.grid_range(fresh.get("range", {}))[0] is not tab:
        raise bad("A protected range can't be moved to another sheet.")
    item.clear()
    item.update(fresh)
    return {}


def delete_protected_range(work: Work, body: Json) -> Json:
    tab, item = _protection(work, body.get("protectedRangeId"))
    if not work.may_edit(item):
        raise bad("You do not have permission to delete this protected range.")
    tab.protected.remove(item)
    return {}


def _protection(work: Work, number: int | None) -> tuple[Tab, Json]:
    for tab in work.book.tabs:
        for item in tab.protected:
            if item["protectedRangeId"] == number:
                return tab, item
    raise bad(f"No protected range with id: {number}")


def set_basic_filter(work: Work, body: Json) -> Json:
    """Rows are hidden by what they hold now; later writes don't hide or show any."""
    given = body.get("filter", {})
    tab, box = work.grid_range(given.get("range", {}))
    tab.filtered_rows = hidden_rows(work, tab, box, given)
    at = given.get("range", {})
    tab.filter = {**given, "range": {**at, "sheetId": tab.sheet_id}}
    return {}


def clear_basic_filter(work: Work, body: Json) -> Json:
    tab = work.book.tab(body.get("sheetId", 0))
    tab.filter, tab.filtered_rows = None, frozenset()
    return {}


def merge_cells(work: Work, body: Json) -> Json:
    tab, box = work.grid_range(body.get("range", {}))
    kind = body.get("mergeType", "MERGE_ALL")
    if any(merge.touches(box) and not merge.within(box) for merge in tab.merges):
        raise bad("You must select all cells in a merged range to merge or unmerge them.")
    work.may_write(tab, box)
    boxes = {
        "MERGE_ALL": [box],
        "MERGE_COLUMNS": [Box(box.row, box.end_row, c, c + 1) for c in range(box.column, box.end_column)],
        "MERGE_ROWS": [Box(r, r + 1, box.column, box.end_column) for r in range(box.row, box.end_row)],
    }[kind]
    tab.merges = [merge for merge in tab.merges if not merge.touches(box)]
    for merge in boxes:
        if merge.cells > 1:
            _merge(work, tab, merge)
    return {}


def _merge(work: Work, tab: Tab, box: Box) -> None:
    """The upper left value stays, or the first one there is; the others are lost."""
    lines = zip(*tab.grid.read(box), strict=True)
    first = next((cell for line in lines for cell in line if cell is not None), None)
    tab.grid.clear(box)
    tab.merges.append(box)
    work.write(tab, box.row, box.column, [[first]])


def unmerge_cells(work: Work, body: Json) -> Json:
    tab, box = work.grid_range(body.get("range", {}))
    if any(merge.touches(box) and not merge.within(box) for merge in tab.merges):
        raise bad("You must select all cells in a merged range to merge or unmerge them.")
    tab.merges = [merge for merge in tab.merges if not merge.touches(box)]
    return {}


def add_chart(work: Work, body: Json) -> Json:
    """A chart is kept as given, so that one can see what becomes of it; nothing is drawn."""
    chart = dict(body.get("chart", {}))
    anchor = chart.get("position", {}).get("overlayPosition", {}).get("anchorCell")
    if anchor is None or "spec" not in chart:
        raise bad("chart.spec and chart.position.overlayPosition.anchorCell must be set.")
    tab = work.book.tab(anchor.get("sheetId", 0))
    taken = {item["chartId"] for other in work.book.tabs for item in other.charts}
    chart.setdefault("chartId", work.book.fresh_id(taken))
    if chart["chartId"] in taken:
        raise bad(f"A chart with the id {chart['chartId']} already exists.")
    tab.charts.append(chart)
    return {"chart": chart}


def delete_embedded_object(work: Work, body: Json) -> Json:
    number = body.get("objectId")
    for tab in work.book.tabs:
        for chart in tab.charts:
            if chart["chartId"] == number:
                tab.charts.remove(chart)
                return {}
    raise bad(f"No embedded object with id: {number}")


KINDS: dict[str, Callable[[Work, Any], Json]] = {
    "addNamedRange": add_named_range,
    "updateNamedRange": update_named_range,
    "deleteNamedRange": delete_named_range,
    "addProtectedRange": add_protected_range,
    "updateProtectedRange": update_protected_range,
    "deleteProtectedRange": delete_protected_range,
    "setBasicFilter": set_basic_filter,
    "clearBasicFilter": clear_basic_filter,
    "mergeCells": merge_cells,
    "unmergeCells": unmerge_cells,
    "addChart": add_chart,
    "deleteEmbeddedObject": delete_embedded_object,
}
