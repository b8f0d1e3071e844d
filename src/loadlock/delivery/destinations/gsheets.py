"""A tab of a Google spreadsheet: staged in a hidden tab, read back, published in one atomic request.

What people see is the old state or the new one, never a half-written sheet. The header row stays in its place, columns are
matched by name, and everything that points at the sheet (named ranges, filters, charts, formulas elsewhere) keeps pointing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from loadlock.delivery.base import Capabilities, Job, Session, TableInfo, Target
from loadlock.delivery.destinations import _sheets_session as sessions
from loadlock.delivery.destinations._sheets_aim import header_of, table_info
from loadlock.delivery.destinations._sheets_cells import CELL_CHARS
from loadlock.delivery.destinations._sheets_check import Room
from loadlock.delivery.destinations._sheets_partition import PartitionedSession, check_partition
from loadlock.delivery.destinations._sheets_state import marker_row, read_state, tab_markers
from loadlock.delivery.destinations._sheets_ways import Ways
from loadlock.delivery.names import TableName, parse_table
from loadlock.errors import RefusedError, UsageError
from loadlock.model import WriteMode
from loadlock.sheets.address import EXAMPLE, SCHEME, canonical, parse
from loadlock.sheets.wire import Wire, connect

MODES = frozenset(mode for mode in WriteMode if mode != WriteMode.SCD2)


class GoogleSheets:
    """A tab of a Google spreadsheet, shared with the account that delivers."""

    name: ClassVar[str] = "gsheets"
    summary: ClassVar[str] = "a sheet of a Google spreadsheet"
    schemes: ClassVar[tuple[str, ...]] = ("gsheets",)
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=MODES,
        undoes=MODES,
        nulls=False,
        row_limit=True,
        foresees=True,
        text_chars=CELL_CHARS,
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Options of a Google sheet."""

        credentials: str | None = field(
            default=None,
            metadata={
                "doc": "Key file of a service account, a person's login, or a federation's file; the machine's own by default.",
                "path": True,
            },
        )
        dates: str = field(
            default="serial", metadata={"doc": "`serial`: dates as spreadsheets keep them; `iso`: as text."}
        )
        escape_formulas: bool = field(
            default=False, metadata={"doc": "Put `'` before texts that a spreadsheet would execute after an export."}
        )
        foreign: str = field(
            default="refuse",
            metadata={
                "doc": "Replace, mirror, delete_insert beside other columns with values: `refuse`, or `keep_in_place`."
            },
        )
        edits: str = field(
            default="stop",
            metadata={
                "doc": "Where it would take away what people changed in delivered cells, a delivery `stop`s, or `overwrite`s."
            },
        )
        max_cells: int = field(default=10_000_000, metadata={"doc": "Cells that fit into a spreadsheet."})
        max_copy_cells: int = field(default=2_000_000, metadata={"doc": "Cells that may be published in one request."})
        chunk_bytes: int = field(default=1_800_000, metadata={"doc": "JSON bytes written in one request."})
        requests_per_minute: int = field(
            default=48, metadata={"doc": "Reads, and writes, a minute and account; Google allows 60. 0 = no pacing."}
        )
        partition: list[str] | None = field(
            default=None,
            metadata={"doc": "Addresses or ids of further spreadsheets; the key decides which one a row goes to."},
        )
        endpoint: str | None = field(default=None, metadata={"doc": "Address of another API than Google's, for tests."})

    @staticmethod
    def address_of(url: str) -> str | None:
        """An address out of the browser's bar as one of ours; None for any other."""
        return canonical(url)

    @staticmethod
    def table_of(url: str) -> str | None:
        """The sheet that the address names, written as a table's name; None where it names none."""
        try:
            sheet = parse(url).sheet
        except UsageError:
            return None
        return TableName(table=sheet).written() if sheet else None

    def label(self, target: Target) -> str:
        return f"Google Sheets {parse(target.url).spreadsheet}, sheet {_sheet(target)!r}"

    def inspect(self, target: Target) -> TableInfo | None:
        wire = _wire(target)
        try:
            tab = read_state(wire).find(_sheet(target))
            names = [] if tab is None else header_of(wire, tab)
            return table_info(names, self.label(target)) if any(names) else None
        finally:
            wire.close()

    def session(self, job: Job) -> Session:
        more = _partition(job.target)
        if not more:
            return _session(job, job.target, self.label(job.target), _ways(job.target.options))
        check_partition(job)
        targets = [job.target, *more]
        share = None if job.rows is None else -(-job.rows // len(targets))
        parts = []
        for number, target in enumerate(targets, 1):
            ways = _ways(job.target.options)
            ways = replace(
                ways,
                room=replace(ways.room, partition=True),
                manifest={"part": number, "of": len(targets)},
            )
            parts.append(_session(replace(job, rows=share), target, self.label(target), ways))
        return PartitionedSession(job, parts, f"{self.label(job.target)} and {len(more)} more")

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        wire = _wire(target)
        try:
            tab = read_state(wire).find(_sheet(target))
            markers = [] if tab is None else tab_markers(tab)
            return marker_row(markers[-1][1]) if markers else None
        finally:
            wire.close()


def _sheet(target: Target) -> str:
    """The title of the sheet, or its number (`gid=123`)."""
    if not target.table:
        raise UsageError("the address names no sheet", hint=f"Write {EXAMPLE}")
    name = parse_table(target.table)
    if name.schema is not None:
        raise RefusedError(
            f"a spreadsheet has no schema {name.schema!r}", hint="Name the sheet alone, quoted if it has a dot."
        )
    return name.table


def _session(job: Job, target: Target, label: str, ways: Ways) -> sessions.SheetsSession:
    return sessions.SheetsSession(job, _wire(target), _sheet(target), label, ways)


def _partition(target: Target) -> list[Target]:
    """The further spreadsheets of a partition; their sheets have the same name."""
    given = target.options.get("partition") or []
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        raise UsageError("`partition` must be a list of spreadsheets", hint=f"Write each as in {EXAMPLE}, or its id.")
    ids = [parse(item if "://" in item else f"{SCHEME}://{item}").spreadsheet for item in given]
    every = [parse(target.url).spreadsheet, *ids]
    if len(set(every)) < len(every):
        raise UsageError("`partition` names a spreadsheet twice", hint="Name further ones, not that of `url:`.")
    return [replace(target, url=f"{SCHEME}://{found}") for found in ids]


def _ways(options: dict[str, Any]) -> Ways:
    return Ways(
        room=Room(
            max_cells=_number(options, "max_cells", 10_000_000),
            max_copy_cells=_number(options, "max_copy_cells", 2_000_000),
        ),
        chunk_bytes=_number(options, "chunk_bytes", 1_800_000),
        serials=_choice(options, "dates", "serial", "iso") == "serial",
        escape_formulas=bool(options.get("escape_formulas", False)),
        foreign=_choice(options, "foreign", "refuse", "keep_in_place") == "keep_in_place",
        overwrite=_choice(options, "edits", "stop", "overwrite") == "overwrite",
    )


def _wire(target: Target) -> Wire:
    options = target.options
    return connect(
        parse(target.url).spreadsheet,
        credentials=options.get("credentials"),
        endpoint=options.get("endpoint"),
        per_minute=_number(options, "requests_per_minute", 48),
    )


def _number(options: dict[str, Any], name: str, default: int) -> int:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"`{name}` can't be {value!r}", hint="Write a whole number.")
    return value


def _choice(options: dict[str, Any], name: str, *choices: str) -> str:
    """One of the choices, the first by default."""
    value = options.get(name, choices[0])
    if value not in choices:
        raise UsageError(f"`{name}` can't be {value!r}", hint=f"Write {' or '.join(choices)}.")
    return str(value)
