"""Before anything is written: may this account write here, is anything in the way, does it fit?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadlock.delivery.destinations._sheets_state import State, Tab, letters
from loadlock.delivery.destinations._sheets_wire import Json
from loadlock.errors import DoesNotFitError, RefusedError


@dataclass(frozen=True, kw_only=True)
class Room:
    """Limits of a spreadsheet, from the destination's options."""

    max_cells: int
    max_copy_cells: int


def check_tab(tab: Tab, places: Sequence[int], label: str) -> None:
    """Raise RefusedError, with all findings, where something lies over the delivered columns that a delivery would harm."""
    if not tab.grid:
        raise RefusedError(f"{label} is a chart or a data source, not a sheet of cells", hint="Name another sheet.")
    findings = list(_findings(tab, places))
    if findings:
        count = f"{len(findings)} finding" + ("s" if len(findings) > 1 else "")
        raise RefusedError(
            f"{label} can't take the rows, nothing was touched; {count}:\n"
            + "\n".join(f"  {line}" for line in findings),
            hint="Change the sheet, or deliver into another one.",
        )


def _findings(tab: Tab, places: Sequence[int]) -> Iterator[str]:
    for item in tab.raw.get("protectedRanges", ()):
        if not item.get("requestingUserCanEdit") and not item.get("warningOnly") and _touches(item["range"], places):
            yield f"{_shown(item['range'])} is protected: make the account an editor of the protected range"
    for merge in tab.raw.get("merges", ()):
        if merge.get("endRowIndex", 2) > 1 and _touches(merge, places):
            yield f"{_shown(merge)} is merged, and merged cells keep one value only: unmerge it"
    for table in tab.raw.get("tables", ()):
        if _touches(table.get("range", {}), places):
            yield f"{_shown(table.get('range', {}))} is a table of Google Sheets: convert it to plain cells"


def _touches(at: Json, places: Sequence[int]) -> bool:
    start, end = at.get("startColumnIndex", 0), at.get("endColumnIndex", 18_278)
    return any(start <= place < end for place in places)


def _shown(at: Json) -> str:
    start = f"{letters(at.get('startColumnIndex', 0))}{at.get('startRowIndex', 0) + 1}"
    if "endColumnIndex" not in at or "endRowIndex" not in at:
        return f"the range from {start} on"
    return f"{start}:{letters(at['endColumnIndex'] - 1)}{at['endRowIndex']}"


def check_room(state: State, room: Room, live: tuple[int, int, int], stage: tuple[int, int], label: str) -> None:
    """Raise DoesNotFitError with the arithmetic and the choices. `live`: sheetId, rows and columns that the tab will have;
    `stage`: the staging tab's id and cells."""
    sheet_id, rows, columns = live
    others = sum(tab.cells for tab in state.tabs if tab.sheet_id not in (sheet_id, stage[0]))
    needed = others + rows * columns + stage[1]
    if needed > room.max_cells:
        raise DoesNotFitError(
            f"{label}: {needed:,} cells are needed, {room.max_cells:,} fit into a spreadsheet: the sheet {rows:,} x {columns} ="
            f" {rows * columns:,}, its staging copy {stage[1]:,}, other sheets {others:,}",
            hint="Deliver fewer columns or a filtered view of the batch, empty other sheets, or deliver into a database.",
        )
    if stage[1] > room.max_copy_cells:
        raise DoesNotFitError(
            f"{label}: {stage[1]:,} cells would be published in one request, beyond `max_copy_cells` ({room.max_copy_cells:,})",
            hint="How long Google takes for more is not known. Raise max_copy_cells, or deliver fewer columns or rows.",
        )
