"""The live tab of a delivery: its header, and where the delivered columns lie in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadlock.delivery.base import DeliveryColumn, Job, TableInfo
from loadlock.delivery.destinations._local import delivered_columns
from loadlock.delivery.destinations._sheets_cells import column_info
from loadlock.delivery.destinations._sheets_rows import last_row, read_rows
from loadlock.delivery.destinations._sheets_state import State, Tab, new_sheet_id
from loadlock.delivery.fit import check_contract
from loadlock.delivery.names import check_names
from loadlock.errors import RefusedError
from loadlock.sheets.address import GID
from loadlock.sheets.wire import Wire


@dataclass(frozen=True, kw_only=True)
class Aim:
    """The live tab as it is now (or as it will be made), and the delivered columns in it."""

    tab: Tab
    made: bool
    """The tab is not there yet: this delivery makes it."""
    headless: bool
    """The tab is there, and has no names in its first row yet."""
    columns: tuple[DeliveryColumn, ...]
    """The delivered columns in the live tab's order, which is the staging tab's."""
    places: tuple[int, ...]
    """Their columns in the live tab, ascending."""
    info: TableInfo

    @property
    def others(self) -> list[int]:
        """The columns that are not delivered."""
        return [place for place in range(self.tab.columns) if place not in self.places]


def aim_at(wire: Wire, state: State, sheet: str, job: Job, label: str) -> Aim:
    """Look at the tab. Raises where the contract doesn't hold, before anything is touched."""
    tab = state.find(sheet)
    given = delivered_columns(job)
    check_names([column.name for column in given])
    if tab is None:
        return _new(wire, state, sheet, job, label)
    names = header_of(wire, tab)
    if not any(names):
        return _headless(wire, tab, given, label)
    info = table_info(names, label)
    check_contract(info, job, label)
    by_place = sorted((names.index(column.name), column) for column in given)
    return Aim(
        tab=tab,
        made=False,
        headless=False,
        columns=tuple(column for _, column in by_place),
        places=tuple(place for place, _ in by_place),
        info=info,
    )


def _new(wire: Wire, state: State, sheet: str, job: Job, label: str) -> Aim:
    if not job.create or GID.match(sheet):
        raise RefusedError(f"{label} does not exist", hint="Create it, or name it and allow it by `create: true`.")
    given = delivered_columns(job)
    number = new_sheet_id(state, wire.spreadsheet, sheet)
    tab = Tab(sheet_id=number, title=sheet, rows=2, columns=len(given), grid=True, raw={})
    return _blank(tab, given, made=True)


def _headless(wire: Wire, tab: Tab, given: Sequence[DeliveryColumn], label: str) -> Aim:
    if tab.grid and last_row(wire, tab, range(tab.columns), 0) > 1:
        raise RefusedError(
            f"{label}: its first row is empty, and there are values below; nothing was touched",
            hint="Names of the columns belong into the first row: write them there, remove the empty rows above them, or"
            " name an empty sheet.",
        )
    if len(given) > tab.columns:
        raise RefusedError(
            f"{label} is empty and has {tab.columns} columns, {len(given)} are delivered",
            hint="Add columns to the sheet, or deliver fewer.",
        )
    return _blank(tab, given, made=False)


def _blank(tab: Tab, given: Sequence[DeliveryColumn], *, made: bool) -> Aim:
    return Aim(
        tab=tab,
        made=made,
        headless=not made,
        columns=tuple(given),
        places=tuple(range(len(given))),
        info=TableInfo(columns=tuple(column_info(column.name) for column in given)),
    )


def header_of(wire: Wire, tab: Tab) -> list[str]:
    """The names in the first row; "" for an empty cell."""
    rows = read_rows(wire, tab, range(tab.columns), 0, 1)
    return [str(name) for name in rows[0]] if rows else []


def table_info(names: Sequence[str], label: str) -> TableInfo:
    """The columns of a tab by its header. Raises RefusedError for names that stand twice."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise RefusedError(
            f"{label}: the header has {', '.join(map(repr, twice))} twice", hint="Give each column a name of its own."
        )
    return TableInfo(columns=tuple(column_info(name) for name in names if name))
