"""The one batch that publishes: rows from the staging tab into the live one, and the mark that says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations._sheets_cells import FORMATS
from loadlock.delivery.destinations._sheets_lock import add_hidden
from loadlock.delivery.destinations._sheets_merge import Stretch
from loadlock.delivery.destinations._sheets_rows import runs
from loadlock.delivery.destinations._sheets_state import Names, Tab, create, delete, set_rows
from loadlock.sheets.wire import Json


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a publish does. Rows count from 0, the header is row 0; ranges of rows as (first, behind the last)."""

    live: Tab
    made: bool
    """The live tab does not exist yet."""
    headless: bool
    """It exists and has no names in its first row yet."""
    columns: tuple[DeliveryColumn, ...]
    """The delivered columns, in the staging tab's order."""
    places: tuple[int, ...]
    """Their columns in the live tab, ascending."""
    stage: Tab
    kept: int
    """Rows below the header whose state before is kept; 0 = nothing is."""
    earlier: tuple[Tab, ...]
    """Kept states of earlier deliveries that are pushed out."""
    cleared: tuple[tuple[int, int], ...]
    pastes: tuple[Stretch, ...]
    known: tuple[Json, ...]
    """Requests that bring the hidden tab up to date that keeps which rows are there."""
    formatted: tuple[int, int]
    end: int
    """The row behind the last one that is used afterwards."""
    serials: bool
    names: Names
    record: Json
    pruned: tuple[int, ...] = ()


def requests(plan: Plan) -> list[Json]:
    """The requests, in order; the service does all or none of them."""
    found = [*_made(plan)] if plan.made else []
    filtered = plan.live.raw.get("basicFilter")
    if plan.headless:
        found.append(header(plan.live.sheet_id, [column.name for column in plan.columns]))
    if filtered:
        # a paste passes over rows that a filter hides
        found.append({"clearBasicFilter": {"sheetId": plan.live.sheet_id}})
    if plan.end > plan.live.rows and not plan.made:
        found.append(set_rows(plan.live.sheet_id, plan.end))
    found += [*_kept(plan), *_cleared(plan), *_pasted(plan), *_formatted(plan), *plan.known]
    if filtered:
        found.append({"setBasicFilter": {"filter": grown(filtered, plan.end)}})
    found += [{"deleteSheet": {"sheetId": plan.stage.sheet_id}}, delete(plan.names.lock), *map(delete, plan.pruned)]
    found.append(create(plan.names.marker, plan.record, plan.live.sheet_id))
    return found


def _made(plan: Plan) -> Iterator[Json]:
    size = {"rowCount": max(plan.end, 2), "columnCount": len(plan.columns), "frozenRowCount": 1}
    properties = {"sheetId": plan.live.sheet_id, "title": plan.live.title, "gridProperties": size}
    yield {"addSheet": {"properties": properties}}
    yield header(plan.live.sheet_id, [column.name for column in plan.columns])


def header(sheet_id: int, names: Sequence[str]) -> Json:
    """Names into the first row, as text."""
    cells = [{"userEnteredValue": {"stringValue": name}} for name in names]
    start = {"sheetId": sheet_id, "rowIndex": 0, "columnIndex": 0}
    return {"updateCells": {"start": start, "rows": [{"values": cells}], "fields": "userEnteredValue"}}


def _kept(plan: Plan) -> Iterator[Json]:
    """The state before into a hidden tab."""
    for tab in plan.earlier:
        yield {"deleteSheet": {"sheetId": tab.sheet_id}}
    if not plan.kept:
        return
    names = plan.names
    yield add_hidden(names.before, names.before_title, plan.kept, len(plan.places))
    for first, column, count in runs(plan.places):
        goal = {**plan.live.range(0, plan.kept, first, first + count), "sheetId": names.before}
        yield paste(plan.live.range(1, 1 + plan.kept, column, column + count), goal, normal=True)


def paste(source: Json, goal: Json, *, normal: bool = False) -> Json:
    """Cells to another place: values alone, or with formulas and formats."""
    kind = "PASTE_NORMAL" if normal else "PASTE_VALUES"
    return {"copyPaste": {"source": source, "destination": goal, "pasteType": kind}}


def _cleared(plan: Plan) -> Iterator[Json]:
    for row, end in plan.cleared:
        yield from clear(plan.live, plan.places, row, end)


def clear(live: Tab, places: Sequence[int], row: int, end: int) -> Iterator[Json]:
    """Empty the cells of these columns; their formats and notes stay."""
    for _, column, count in runs(places):
        if end > row:
            yield {"updateCells": {"range": live.range(row, end, column, column + count), "fields": "userEnteredValue"}}


def _pasted(plan: Plan) -> Iterator[Json]:
    for stretch in plan.pastes:
        for first, column, count in runs(plan.places):
            yield paste(
                plan.stage.range(stretch.source, stretch.source + stretch.count, first, first + count),
                plan.live.range(stretch.row, stretch.row + stretch.count, column, column + count),
                normal=stretch.normal,
            )


def _formatted(plan: Plan) -> Iterator[Json]:
    """Number formats that make dates of serial numbers."""
    row, end = plan.formatted
    for column, place in zip(plan.columns, plan.places, strict=True):
        shape = FORMATS.get(column.type.kind)
        if shape and plan.serials and end > row:
            yield {
                "repeatCell": {
                    "range": plan.live.range(row, end, place, place + 1),
                    "cell": {"userEnteredFormat": {"numberFormat": shape}},
                    "fields": "userEnteredFormat.numberFormat",
                }
            }


def grown(filtered: Json, end: int) -> Json:
    """The filter as it was, reaching down to the last row."""
    at = dict(filtered["range"])
    if "endRowIndex" in at:
        at["endRowIndex"] = max(at["endRowIndex"], end)
    return {**filtered, "range": at}
