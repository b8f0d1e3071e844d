"""Which rows a delivery left in the sheet: a hidden tab keeps four bytes of each row's hash, many in one cell. A later delivery
can tell rows that people changed or added from those that are as they were delivered."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._sheets_lock import add_hidden
from loadlock.delivery.destinations._sheets_rows import read_rows
from loadlock.delivery.destinations._sheets_state import Names, State, Tab
from loadlock.sheets.wire import Json, Wire

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

ROWS_PER_CELL = 9_000
"""Of 50,000 characters: four bytes a row, in Base64."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """The rows of a sheet as a delivery left them."""

    hashes: Numbers | None
    """The lower four bytes of each row's hash; None: they were not kept."""

    def strange(self, hashes: Numbers) -> Numbers:
        """Which of these rows (by their whole hashes) are not as they were delivered: all of them where it is not known."""
        import numpy as np

        if self.hashes is None:
            return np.ones(len(hashes), bool)
        return ~np.isin(hashes.astype(np.uint32), self.hashes)


def known_cells(hashes: Numbers) -> list[str]:
    """The texts of the hidden tab's cells. Empty rows (0) are left out."""
    import numpy as np

    short = np.unique(hashes[hashes != 0].astype("<u4"))
    return [
        base64.b64encode(short[start : start + ROWS_PER_CELL].tobytes()).decode()
        for start in range(0, len(short), ROWS_PER_CELL)
    ]


def exchanged(earlier: Sequence[Tab], names: Names, cells: Sequence[str] | None) -> Iterator[Json]:
    """What deliveries before left is forgotten; these cells take its place (None: nothing does)."""
    for tab in earlier:
        yield {"deleteSheet": {"sheetId": tab.sheet_id}}
    if cells:
        yield add_hidden(names.known, names.known_title, len(cells), 1)
        start = {"sheetId": names.known, "rowIndex": 0, "columnIndex": 0}
        rows = [{"values": [{"userEnteredValue": {"stringValue": cell}}]} for cell in cells]
        yield {"updateCells": {"start": start, "rows": rows, "fields": "userEnteredValue"}}


def known_tabs(state: State, names: Names) -> list[Tab]:
    """The hidden tabs of this sheet that keep such hashes."""
    return [tab for tab in state.tabs if tab.title.startswith(names.known_family)]


def read_known(wire: Wire, tabs: Sequence[Tab]) -> Known:
    """What the last delivery left, from its hidden tab."""
    import numpy as np

    if len(tabs) != 1:
        return Known(hashes=None)
    cells = [line[0] for line in read_rows(wire, tabs[0], [0], 0, tabs[0].rows) if line]
    try:
        kept = b"".join(base64.b64decode(cell, validate=True) for cell in cells)
        return Known(hashes=np.frombuffer(kept, "<u4"))
    except (TypeError, ValueError):
        # somebody has written into it
        return Known(hashes=None)
