"""What is in a spreadsheet, read in one request: the tab, what lies over it, our marks and staging tabs.

Our marks are developer metadata. Their ids come from what they mark, and "a metadataId in use makes the request fail": so a
delivery is published once, and a lock is taken by one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import Job
from loadlock.sheets.address import GID, letters, quoted
from loadlock.sheets.wire import Json, Wire

KEY = "loadlock"
LOCK_SECONDS = 900.0
"""A lock that was not renewed for so long belongs to nobody."""
STAGE_PREFIX = "__loadlock_"
BEFORE_PREFIX = "__loadlock_before_"
"""What the titles of the hidden tabs begin with that keep a tab's state before a delivery."""
KNOWN_PREFIX = "__loadlock_rows_"
"""... and of those that keep which rows a delivery left."""
KEPT_MARKERS = 20
MARKER_CHARS = 24_000
"""Of the 30,000 characters of a tab's metadata."""
FIELDS = (
    "properties.title,developerMetadata,namedRanges,sheets(properties,merges,basicFilter,developerMetadata,"
    "protectedRanges(range,unprotectedRanges,requestingUserCanEdit,warningOnly),tables(range,name))"
)


def number(*parts: str) -> int:
    """A positive 31-bit number for these names: of a tab or of a metadata."""
    digest = hashlib.sha256("\0".join(("loadlock", *parts)).encode()).digest()
    return (int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF) or 1


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One tab as the API shows it."""

    sheet_id: int
    title: str
    rows: int
    columns: int
    grid: bool
    """False: a chart or a data source, without cells of its own."""
    raw: Json

    @property
    def cells(self) -> int:
        return self.rows * self.columns

    def range(self, row: int, end_row: int, column: int, end_column: int) -> Json:
        """A GridRange: 0-based, ends exclusive."""
        return {
            "sheetId": self.sheet_id,
            "startRowIndex": row,
            "endRowIndex": end_row,
            "startColumnIndex": column,
            "endColumnIndex": end_column,
        }

    def a1(self, row: int, end_row: int, column: int, end_column: int) -> str:
        return f"{quoted(self.title)}!{letters(column)}{row + 1}:{letters(end_column - 1)}{end_row}"


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who delivers into a tab."""

    run: str
    at: float
    text: str
    """As it is stored: a lock is taken over only from this very holder."""

    @property
    def fresh(self) -> bool:
        return time.time() - self.at < LOCK_SECONDS


@dataclass(frozen=True, kw_only=True)
class State:
    """A spreadsheet as it was when it was read."""

    tabs: tuple[Tab, ...]
    metadata: dict[int, Json]
    """By id: value of each of our marks; `_sheet` is its tab's id (None: the spreadsheet's), `_text` the value as stored."""

    def tab(self, title: str) -> Tab | None:
        return next((tab for tab in self.tabs if tab.title.casefold() == title.casefold()), None)

    def find(self, sheet: str) -> Tab | None:
        """A tab by its title, or by its number (`gid=123`)."""
        numbered = GID.match(sheet)
        return self.tab(sheet) or (self.by_id(int(numbered[1])) if numbered else None)

    def by_id(self, sheet_id: int) -> Tab | None:
        return next((tab for tab in self.tabs if tab.sheet_id == sheet_id), None)

    def lock(self, lock_id: int) -> Lock | None:
        value = self.metadata.get(lock_id)
        if value is None:
            return None
        return Lock(run=str(value.get("run")), at=float(value.get("at", 0)), text=value["_text"])

    def markers(self, sheet_id: int) -> list[tuple[int, Json]]:
        """The published deliveries of a tab that are still marked, oldest first."""
        return _markers({mark: value for mark, value in self.metadata.items() if value.get("_sheet") == sheet_id})

    @property
    def cells(self) -> int:
        return sum(tab.cells for tab in self.tabs)


def read_state(wire: Wire) -> State:
    """Read the spreadsheet's tabs and marks."""
    found = wire.get("", {"fields": FIELDS})
    tabs = tuple(_tab(sheet) for sheet in found.get("sheets", ()))
    loose = _marks(found.get("developerMetadata", ()), None)
    return State(tabs=tabs, metadata={**loose, **{k: v for tab in tabs for k, v in _tab_marks(tab).items()}})


def _tab(sheet: Json) -> Tab:
    properties = sheet["properties"]
    grid = properties.get("gridProperties", {})
    return Tab(
        sheet_id=properties.get("sheetId", 0),
        title=properties["title"],
        rows=grid.get("rowCount", 0),
        columns=grid.get("columnCount", 0),
        grid=properties.get("sheetType", "GRID") == "GRID",
        raw=sheet,
    )


def _tab_marks(tab: Tab) -> dict[int, Json]:
    return _marks(tab.raw.get("developerMetadata", ()), tab.sheet_id)


def tab_markers(tab: Tab) -> list[tuple[int, Json]]:
    """The published deliveries of a tab that are still marked, oldest first."""
    return _markers(_tab_marks(tab))


def _markers(marks: dict[int, Json]) -> list[tuple[int, Json]]:
    found = [(mark, value) for mark, value in marks.items() if "delivery_id" in value]
    return sorted(found, key=lambda item: int(item[1].get("seq", 0)))


def _marks(items: Iterable[Json], sheet_id: int | None) -> dict[int, Json]:
    found = {}
    for item in items:
        if item.get("metadataKey") == KEY:
            text = item.get("metadataValue", "")
            found[int(item["metadataId"])] = {**_value(text), "_sheet": sheet_id, "_text": text}
    return found


def _value(text: str) -> Json:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, kw_only=True)
class Names:
    """The numbers and titles that a job uses in its spreadsheet. A tab is known by its number: people may rename it."""

    lock: int
    marker: int
    undone: int
    """Mark of a delivery that was rolled back."""
    stage: int
    stage_title: str
    stage_family: str
    """What the titles of all staging tabs of this target begin with."""
    before: int
    """The hidden tab that keeps the state before this delivery."""
    before_title: str
    before_family: str
    known: int
    """The hidden tab that keeps which rows this delivery left."""
    known_title: str
    known_family: str

    @classmethod
    def of(cls, job: Job, spreadsheet: str, sheet_id: int) -> Names:
        target = f"{spreadsheet}\0{sheet_id}"
        stage = number(target, job.delivery_id, "stage")
        family = f"{STAGE_PREFIX}{number(target):08x}_"
        before, befores = number(target, job.delivery_id, "before"), f"{BEFORE_PREFIX}{number(target):08x}_"
        known, knowns = number(target, job.delivery_id, "rows"), f"{KNOWN_PREFIX}{number(target):08x}_"
        return cls(
            lock=number(target, "lock"),
            marker=number(target, job.delivery_id, "marker"),
            undone=number(target, job.delivery_id, "undone"),
            stage=stage,
            stage_title=f"{family}{stage:08x}",
            stage_family=family,
            before=before,
            before_title=f"{befores}{before:08x}",
            before_family=befores,
            known=known,
            known_title=f"{knowns}{known:08x}",
            known_family=knowns,
        )


def new_sheet_id(state: State, spreadsheet: str, title: str) -> int:
    """The number of a tab that is to be made under this title: the same for all who are about to make it."""
    turn = 0
    while state.by_id(found := number(spreadsheet, title.casefold(), "live", str(turn))) is not None:
        turn += 1
    return found


def pushed_out(state: State, sheet_id: int, names: Names, undo: int) -> list[Tab]:
    """The hidden tabs with states before that go when one more delivery of `undo` is kept."""
    kept = {
        int(value["before"]["sheet"])
        for _, value in state.markers(sheet_id)[max(0, len(state.markers(sheet_id)) - undo + 1) :]
        if value.get("before") and undo > 1
    }
    family = [tab for tab in state.tabs if tab.title.startswith(names.before_family)]
    return [tab for tab in family if tab.sheet_id not in kept]


def create(mark: int, value: Json, sheet_id: int | None) -> Json:
    """A request that makes one of our marks; it fails where the id is in use."""
    location: Json = {"spreadsheet": True} if sheet_id is None else {"sheetId": sheet_id}
    text = packed(value)
    item = {
        "metadataId": mark,
        "metadataKey": KEY,
        "metadataValue": text,
        "visibility": "DOCUMENT",
        "location": location,
    }
    return {"createDeveloperMetadata": {"developerMetadata": item}}


def packed(value: Json) -> str:
    """A mark's value as it is stored."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def delete(mark: int, text: str | None = None) -> Json:
    """A request that removes a mark (only with this text, where one is given); one that is not there is no error."""
    lookup: Json = {"metadataId": mark} if text is None else {"metadataId": mark, "metadataValue": text}
    return {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}}


def set_rows(sheet_id: int, rows: int) -> Json:
    """A request that sets the number of a tab's rows."""
    properties = {"sheetId": sheet_id, "gridProperties": {"rowCount": rows}}
    return {"updateSheetProperties": {"properties": properties, "fields": "gridProperties.rowCount"}}


def add_rows(sheet_id: int, rows: int) -> Json:
    """A request that adds rows at the end of a tab. One that is applied too late makes it longer, never shorter."""
    return {"appendDimension": {"sheetId": sheet_id, "dimension": "ROWS", "length": rows}}


def marker_row(value: Json) -> dict[str, Any]:
    """The control row of a published delivery, as other destinations have it."""
    return {name: item for name, item in value.items() if not name.startswith("_")}
