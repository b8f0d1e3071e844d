"""What a request works on: a copy of the spreadsheet, who asks, the settings. Only a request that ends well is kept."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadlock.testing.sheets.a1 import Box
from loadlock.testing.sheets.book import Book, Tab, open_area
from loadlock.testing.sheets.discovery import Discovery
from loadlock.testing.sheets.errors import Json, bad
from loadlock.testing.sheets.formula_value import Evaluator
from loadlock.testing.sheets.grid import Cell
from loadlock.testing.sheets.settings import Settings

PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to remove protection "
    "if you need to edit."
)


@dataclass(kw_only=True)
class Work:
    """One request at work. `cells` counts what it read and wrote, for the speed model and the log."""

    book: Book
    account: str
    settings: Settings
    discovery: Discovery
    today: datetime.date
    cells: int = 0
    evaluator: Evaluator = field(init=False)

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(self.book)

    def changed(self) -> None:
        """Values of formulas worked out so far no longer hold."""
        self.evaluator = Evaluator(self.book)

    def write(self, tab: Tab, row: int, column: int, columns: Sequence[Sequence[Cell]]) -> None:
        """Put columns of cells into the tab. Of a merged range only the upper left corner keeps its value."""
        rows = max((len(cells) for cells in columns), default=0)
        box = Box(row, row + rows, column, column + len(columns))
        self.cells += box.cells
        tab.grid.write(row, column, columns)
        for merge in tab.merges:
            if merge.touches(box):
                corner = tab.grid.cell(merge.row, merge.column)
                tab.grid.clear(merge)
                tab.grid.write(merge.row, merge.column, [[corner]])
        self.changed()

    @property
    def owner(self) -> bool:
        return self.book.sharing.get(self.account) == "owner"

    def grid_range(self, at: Json) -> tuple[Tab, Box]:
        """Tab and box of a GridRange. Raises 400 when it leaves the grid."""
        tab = self.book.tab(at.get("sheetId", 0))
        box = tab.box(open_area(at))
        for name, edge, size in (("Row", box.row, tab.rows), ("Column", box.column, tab.columns)):
            end = at.get(f"end{name}Index")
            if edge < 0 or edge > size or (end is not None and end > size):
                shown = end if end is not None and end > size else edge
                raise bad(f"GridRange ({name.lower()} {shown}) exceeds grid limits. {_size(tab)}")
            if end is not None and end < edge:
                raise bad(f"end{name}Index[{end}] must be after start{name}Index[{edge}]")
        return tab, box

    def may_write(self, tab: Tab, box: Box) -> None:
        """Raises 400 where a protected range covers the box and this account is not among its editors."""
        for item in tab.protected:
            if not self.may_edit(item) and protects(item, tab, box):
                raise bad(PROTECTED)

    def may_edit(self, protection: Json) -> bool:
        users = protection.get("editors", {}).get("users", ())
        return self.owner or bool(protection.get("warningOnly")) or self.account in users

    def check_size(self) -> None:
        """Raises 400 when the spreadsheet has more cells than it may."""
        if self.book.cells > self.settings.limits.cells:
            limit = self.settings.limits.cells
            text = "This action would increase the number of cells in the workbook above the limit of"
            raise bad(f"{text} {limit} cells.")


def protects(protection: Json, tab: Tab, box: Box) -> bool:
    """Whether any cell of the box is protected, its unprotected ranges left out."""
    if not tab.box(open_area(protection.get("range", {}))).touches(box):
        return False
    return not any(box.within(tab.box(open_area(free))) for free in protection.get("unprotectedRanges", ()))


def _size(tab: Tab) -> str:
    return f"Max rows: {tab.rows}, max columns: {tab.columns}"
