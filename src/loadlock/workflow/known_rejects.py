"""The rejects of a batch in memory, by their places: what corrections are compared with."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.steps import whole
from loadlock.model import RejectState
from loadlock.quarantine.read import raw_text
from loadlock.quarantine.sheet import Token, texts
from loadlock.quarantine.taking import KnownReject, Place
from loadlock.rows import FILE, IDENTITY, LENGTH, LINE, OFFSET, ROW, SOURCE_FILE, SUB
from loadlock.workflow.quarantine import Quarantine

if TYPE_CHECKING:
    import pyarrow as pa

_KEPT = (
    *IDENTITY,
    SOURCE_FILE,
    LINE,
    OFFSET,
    LENGTH,
    "stage",
    "to",
    "state",
    "values",
    "corrected",
    "raw",
    "raw_truncated",
)
_CLOSED = (RejectState.RESOLVED, RejectState.DISCARDED)


class KnownRejects:
    """The rejects by their places. Holds the values and the raw text of all of them in memory."""

    def __init__(self, quarantine: Quarantine, token: Token | None = None) -> None:
        """`token` names the export that was edited; None: as it stands now."""
        self.quarantine = quarantine
        self._upto = None if token is None or token == quarantine.token else token.edits
        self.table = self._table()

    def _table(self) -> pa.Table:
        import pyarrow as pa

        found = []
        for table in self.quarantine.tables():
            found.append(table.select(list(_KEPT)))
        return pa.concat_tables(found).combine_chunks() if found else pa.table({name: [] for name in _KEPT})

    @cached_property
    def _places(self) -> dict[Place, int]:
        """An open reject of a row before one that is closed."""
        found: dict[Place, int] = {}
        places = zip(*(self.table[name].to_pylist() for name in (FILE, ROW, SUB)), strict=True)
        states = self.table["state"].to_pylist()
        for index, place in enumerate(places):
            if place not in found or states[found[place]] in _CLOSED:
                found[place] = index
        return found

    @cached_property
    def _earlier(self) -> dict[Place, dict[str, str | None]]:
        """The corrections that the export knew."""
        found: dict[Place, dict[str, str | None]] = {}
        for line in self.quarantine.cells(upto=self._upto).to_pylist():
            found.setdefault((line[FILE], line[ROW], line[SUB]), {})[line["column"]] = line["new"]
        return found

    @cached_property
    def _columns(self) -> dict[str, pa.Array]:
        names = ("state", "to", "values", "corrected", "raw", "raw_truncated")
        return {name: whole(self.table[name]) for name in names}

    def index(self, place: Place) -> int | None:
        """The line of a reject in `table`."""
        return self._places.get(place)

    def __call__(self, place: Place) -> KnownReject | None:
        """What is known of the reject at a place."""
        index = self._places.get(place)
        if index is None:
            return None
        row: dict[str, Any] = {name: column[index].as_py() for name, column in self._columns.items()}
        staged = None if row["values"] is None else texts(json.loads(row["values"]))
        cells = json.loads(row["corrected"]) if row["corrected"] else {}
        earlier = cells if self._upto is None else self._earlier.get(place, {})
        return KnownReject(
            state=RejectState(row["state"]),
            staged=staged,
            then=_values(staged, earlier),
            now=_values(staged, cells),
            raw=earlier.get("") or raw_text(row["raw"], truncated=row["raw_truncated"]),
            truncated=row["raw_truncated"] and staged is None,
            child=row["to"] == 0,
        )


def _values(staged: dict[str, str | None] | None, cells: dict[str, str | None]) -> dict[str, str | None]:
    return {**(staged or {}), **{name: new for name, new in cells.items() if name}}
