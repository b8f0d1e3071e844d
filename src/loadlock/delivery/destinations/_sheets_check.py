"""Before anything is written: is anything in the way, does it fit, how long will it take?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadlock.delivery.destinations._sheets_state import Names, State, Tab, pushed_out
from loadlock.errors import DoesNotFitError, RefusedError
from loadlock.sheets.address import letters
from loadlock.sheets.wire import Json

CELL_BYTES = 10
"""JSON of a cell, about."""
CELLS_PER_SECOND = 4_700
"""What users saw Google write, about."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Limits of a spreadsheet, from the destination's options."""

    max_cells: int
    max_copy_cells: int
    partition: bool = False
    """The rows are divided among several spreadsheets already."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """The cells that a delivery takes."""

    rows: int
    """Of the live tab afterwards, with its header and its empty rows."""
    columns: int
    """Of the live tab."""
    staged: int
    """Cells of the staging tab."""
    before: int
    """Cells of the hidden tab that keeps the state before."""
    undo: int = 0
    """Of how many deliveries it is kept."""


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


def check_room(state: State, room: Room, live: Tab, need: Need, names: Names, label: str) -> None:
    """Raise DoesNotFitError with the arithmetic and the choices."""
    _check_cells(state, room, live, need, names, label)
    copied = need.staged + need.before
    if copied > room.max_copy_cells:
        before = f" ({need.before:,} of them the state before)" if need.before else ""
        raise DoesNotFitError(
            f"{label}: {copied:,} cells{before} would be published in one request, beyond `max_copy_cells`"
            f" ({room.max_copy_cells:,}); nothing was touched",
            hint="How long Google takes for more is not known. Choose one: deliver fewer columns (`columns:`) or a filtered"
            " view (`filter:`)" + _undo_choice(need) + "; raise max_copy_cells; deliver into a database.",
        )


def _check_cells(state: State, room: Room, live: Tab, need: Need, names: Names, label: str) -> None:
    tabs = [tab for tab in state.tabs if tab.sheet_id not in (live.sheet_id, names.stage)]
    others = sum(tab.cells for tab in tabs)
    earlier = sum(tab.cells for tab in pushed_out(state, live.sheet_id, names, need.undo))
    # kept states that are pushed out go in the request that keeps this one's
    kept = max(need.before, earlier)
    needed = others - earlier + kept + need.rows * need.columns + need.staged
    if needed <= room.max_cells:
        return
    sheet = f"the sheet {need.rows:,} x {need.columns} = {need.rows * need.columns:,}"
    before = f", its state before {kept:,}" if kept else ""
    raise DoesNotFitError(
        f"{label}: {needed:,} cells are needed, {room.max_cells:,} fit into a spreadsheet: {sheet},"
        f" its staging copy {need.staged:,}{before}, other sheets {others - earlier:,}; nothing was touched",
        hint="Choose one: deliver fewer columns (`columns:`) or a filtered view of the batch (`filter:`)"
        + _undo_choice(need)
        + _partition_choice(room)
        + "; empty other sheets; deliver into a database.",
    )


def _undo_choice(need: Need) -> str:
    return "; do without rollback (`undo: none`)" if need.before else ""


def _partition_choice(room: Room) -> str:
    more = "more spreadsheets" if room.partition else "several spreadsheets"
    return f"; divide the rows among {more} (`partition:`)"


def estimate(rows: int, columns: int, chunk_bytes: int) -> str:
    """For people: how many requests and how much time."""
    cells = rows * columns
    requests = max(1, -(-cells * CELL_BYTES // chunk_bytes))
    seconds = max(requests * 2, 2 * cells // CELLS_PER_SECOND)
    time = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    return f"{rows:,} rows x {columns} = {cells:,} cells: about {requests:,} writes, as many reads, about {time}"
