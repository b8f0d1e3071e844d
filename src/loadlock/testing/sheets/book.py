"""The state: spreadsheets, their tabs and what hangs on them. A copy shares all cells, so a batch can fail as a whole."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace

from loadlock.testing.sheets.a1 import Area, Box, area, is_cells, split
from loadlock.testing.sheets.attributes import Attributes
from loadlock.testing.sheets.errors import Json, bad
from loadlock.testing.sheets.grid import Grid


@dataclass(kw_only=True)
class Tab:
    """One tab. `rows` and `columns` are its grid's size, which limits and counts; `grid` holds the values."""

    sheet_id: int
    title: str
    rows: int = 1000
    columns: int = 26
    hidden: bool = False
    properties: Json = field(default_factory=dict)
    """Other SheetProperties (tabColor, rightToLeft)."""
    grid_properties: Json = field(default_factory=dict)
    """Other GridProperties (frozenRowCount)."""
    grid: Grid = field(default_factory=Grid)
    attributes: Attributes = field(default_factory=Attributes)
    merges: list[Box] = field(default_factory=list)
    protected: list[Json] = field(default_factory=list)
    filter: Json | None = None
    filtered_rows: frozenset[int] = frozenset()
    """Rows that the basic filter hides."""
    charts: list[Json] = field(default_factory=list)
    row_sizes: Attributes = field(default_factory=Attributes)
    """DimensionProperties of rows, kept in column 0."""
    column_sizes: Attributes = field(default_factory=Attributes)

    def copy(self) -> Tab:
        return replace(
            self,
            properties=deepcopy(self.properties),
            grid_properties=dict(self.grid_properties),
            grid=self.grid.copy(),
            attributes=self.attributes.copy(),
            merges=list(self.merges),
            protected=deepcopy(self.protected),
            filter=deepcopy(self.filter),
            charts=deepcopy(self.charts),
            row_sizes=self.row_sizes.copy(),
            column_sizes=self.column_sizes.copy(),
        )

    @property
    def whole(self) -> Box:
        return Box(0, self.rows, 0, self.columns)

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    def box(self, at: Area) -> Box:
        """The area cut to the grid; its start may still lie outside."""
        row, column = at.row or 0, at.column or 0
        end_row = self.rows if at.end_row is None else min(at.end_row, self.rows)
        end_column = self.columns if at.end_column is None else min(at.end_column, self.columns)
        return Box(row, end_row, column, end_column)

    def beyond(self, range_text: str) -> Exception:
        limits = f"Max rows: {self.rows}, max columns: {self.columns}"
        return bad(f"Range ({range_text}) exceeds grid limits. {limits}")


@dataclass(kw_only=True)
class Metadata:
    """One developer metadata. `location` is as the API writes it, without its locationType."""

    metadata_id: int
    key: str
    value: str | None
    visibility: str
    location: Json

    @property
    def sheet_id(self) -> int | None:
        """The tab that it hangs on, None for the spreadsheet."""
        if "dimensionRange" in self.location:
            return int(self.location["dimensionRange"].get("sheetId", 0))
        return None if self.location.get("spreadsheet") else int(self.location.get("sheetId", 0))

    @property
    def chars(self) -> int:
        return len(self.key) + len(self.value or "")


@dataclass(kw_only=True)
class Book:
    """One spreadsheet."""

    spreadsheet_id: str
    title: str
    locale: str = "en_US"
    time_zone: str = "Etc/GMT"
    tabs: list[Tab] = field(default_factory=list)
    named: list[Json] = field(default_factory=list)
    """NamedRanges; their GridRange may be open."""
    metadata: dict[int, Metadata] = field(default_factory=dict)
    sharing: dict[str, str] = field(default_factory=dict)
    """E-mail → `reader`, `writer` or `owner`."""
    last_id: int = 0

    def copy(self) -> Book:
        return replace(
            self,
            tabs=[tab.copy() for tab in self.tabs],
            named=deepcopy(self.named),
            metadata={number: replace(item) for number, item in self.metadata.items()},
            sharing=dict(self.sharing),
        )

    def fresh_id(self, taken: set[int]) -> int:
        """A number that looks as random as the service's and is the same in each run."""
        while True:
            self.last_id += 1
            number = (self.last_id * 2_654_435_761) & 0x7FFF_FFFF
            if number and number not in taken:
                return number

    @property
    def cells(self) -> int:
        return sum(tab.cells for tab in self.tabs)

    def find(self, title: str) -> Tab | None:
        """By title; the service's titles differ by more than case."""
        return next((tab for tab in self.tabs if tab.title.lower() == title.lower()), None)

    def tab(self, sheet_id: int) -> Tab:
        for tab in self.tabs:
            if tab.sheet_id == sheet_id:
                return tab
        raise bad(f"No grid with id: {sheet_id}")

    def resolve(self, range_text: str) -> tuple[Tab, Area]:
        """Tab and area of a range in A1 notation or of a named range's name. Raises 400 as the service words it."""
        title, cells = split(range_text)
        if title is None and cells is not None:
            for item in self.named:
                if item["name"].lower() == cells.lower():
                    return self._named(item["range"])
            if is_cells(cells) and self.tabs:
                return self.tabs[0], area(cells, range_text)
            title, cells = cells, None
        tab = self.find(title or "")
        if tab is None:
            raise bad(f"Unable to parse range: {range_text}")
        return tab, (Area(row=0, column=0) if cells is None else area(cells, range_text))

    def _named(self, at: Json) -> tuple[Tab, Area]:
        return self.tab(at.get("sheetId", 0)), open_area(at)


def open_area(at: Json) -> Area:
    """The area of a GridRange, open where it names no border."""
    return Area(
        row=at.get("startRowIndex", 0),
        end_row=at.get("endRowIndex"),
        column=at.get("startColumnIndex", 0),
        end_column=at.get("endColumnIndex"),
    )
