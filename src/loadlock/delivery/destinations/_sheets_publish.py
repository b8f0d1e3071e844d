"""The one batch that publishes: rows from the staging tab into the live one, and the mark that says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations._sheets_cells import FORMATS
from loadlock.delivery.destinations._sheets_state import Tab, create, delete, set_rows
from loadlock.delivery.destinations._sheets_wire import Json


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a publish does. Rows count from 0, the header is row 0."""

    live: Tab
    made: bool
    """The live tab does not exist yet."""
    columns: tuple[DeliveryColumn, ...]
    """The delivered columns, in the staging tab's order."""
    places: tuple[int, ...]
    """Their columns in the live tab, ascending."""
    stage: Tab
    base: int
    """First row of the live tab that the new rows take."""
    rows: int
    clear: bool
    """Everything below the header is replaced."""
    serials: bool
    lock: int
    marker: int
    record: Json
    pruned: tuple[int, ...] = ()
    headless: bool = False
    """The live tab exists and has no names in its first row yet."""


def requests(plan: Plan) -> list[Json]:
    """The requests, in order; the service does all or none of them."""
    end = plan.base + plan.rows
    found = [*_made(plan)] if plan.made else []
    filtered = plan.live.raw.get("basicFilter")
    if plan.headless:
        found.append(header(plan.live.sheet_id, [column.name for column in plan.columns]))
    if filtered:
        # a paste passes over rows that a filter hides
        found.append({"clearBasicFilter": {"sheetId": plan.live.sheet_id}})
    if end > plan.live.rows and not plan.made:
        found.append(set_rows(plan.live.sheet_id, end))
    if plan.clear and not plan.made:
        found += _cleared(plan)
    if plan.rows:
        found += [*_copied(plan), *_formatted(plan)]
    if filtered:
        found.append({"setBasicFilter": {"filter": _grown(filtered, end)}})
    found += [{"deleteSheet": {"sheetId": plan.stage.sheet_id}}, delete(plan.lock), *map(delete, plan.pruned)]
    found.append(create(plan.marker, plan.record, plan.live.sheet_id))
    return found


def _made(plan: Plan) -> Iterator[Json]:
    size = {"rowCount": max(plan.base + plan.rows, 2), "columnCount": len(plan.columns), "frozenRowCount": 1}
    properties = {"sheetId": plan.live.sheet_id, "title": plan.live.title, "gridProperties": size}
    yield {"addSheet": {"properties": properties}}
    yield header(plan.live.sheet_id, [column.name for column in plan.columns])


def header(sheet_id: int, names: Sequence[str]) -> Json:
    """Names into the first row, as text."""
    cells = [{"userEnteredValue": {"stringValue": name}} for name in names]
    start = {"sheetId": sheet_id, "rowIndex": 0, "columnIndex": 0}
    return {"updateCells": {"start": start, "rows": [{"values": cells}], "fields": "userEnteredValue"}}


def runs(places: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring columns together: index of the first in `places`, its column, how many."""
    start = 0
    for index in range(1, len(places) + 1):
        if index == len(places) or places[index] != places[index - 1] + 1:
            yield start, places[start], index - start
            start = index


def _cleared(plan: Plan) -> Iterator[Json]:
    rows = max(plan.live.rows, plan.base + plan.rows)
    for _, column, count in runs(plan.places):
        if rows > 1:
            area = plan.live.range(1, rows, column, column + count)
            yield {"updateCells": {"range": area, "fields": "userEnteredValue"}}


def _copied(plan: Plan) -> Iterator[Json]:
    for first, column, count in runs(plan.places):
        yield {
            "copyPaste": {
                "source": plan.stage.range(0, plan.rows, first, first + count),
                "destination": plan.live.range(plan.base, plan.base + plan.rows, column, column + count),
                "pasteType": "PASTE_VALUES",
            }
        }


def _formatted(plan: Plan) -> Iterator[Json]:
    """Number formats that make dates of serial numbers."""
    for column, place in zip(plan.columns, plan.places, strict=True):
        shape = FORMATS.get(column.type.kind)
        if shape and plan.serials:
            yield {
                "repeatCell": {
                    "range": plan.live.range(plan.base, plan.base + plan.rows, place, place + 1),
                    "cell": {"userEnteredFormat": {"numberFormat": shape}},
                    "fields": "userEnteredFormat.numberFormat",
                }
            }


def _grown(filtered: Json, end: int) -> Json:
    """The filter as it was, reaching down to the last row."""
    at = dict(filtered["range"])
    if "endRowIndex" in at:
        at["endRowIndex"] = max(at["endRowIndex"], end)
    return {**filtered, "range": at}
