"""A tab of a Google spreadsheet: staged in a hidden tab, read back, published in one atomic request.

What people see is the old state or the new one, never a half-written sheet. The header row stays in its place, columns are
matched by name, and everything that points at the sheet (named ranges, filters, charts, formulas elsewhere) keeps pointing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from loadlock.delivery.base import Capabilities, Job, TableInfo, Target
from loadlock.delivery.destinations import _sheets_session as sessions
from loadlock.delivery.destinations._sheets_cells import CELL_CHARS
from loadlock.delivery.destinations._sheets_check import Room
from loadlock.delivery.destinations._sheets_state import marker_row, read_state
from loadlock.delivery.destinations._sheets_wire import Wire, connect
from loadlock.delivery.names import TableName, parse_table
from loadlock.errors import RefusedError, UsageError
from loadlock.model import WriteMode

_EXAMPLE = "gsheets://SPREADSHEET_ID/Sheet name"


class GoogleSheets:
    """A tab of a Google spreadsheet, shared with the account that delivers."""

    name: ClassVar[str] = "gsheets"
    summary: ClassVar[str] = "a sheet of a Google spreadsheet"
    schemes: ClassVar[tuple[str, ...]] = ("gsheets",)
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({WriteMode.APPEND, WriteMode.REPLACE}), nulls=False, text_chars=CELL_CHARS
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Options of a Google sheet."""

        credentials: str | None = field(
            default=None,
            metadata={
                "doc": "Key file of a service account, or an `authorized_user` file; the machine's own by default."
            },
        )
        dates: str = field(
            default="serial", metadata={"doc": "`serial`: dates as spreadsheets keep them; `iso`: as text."}
        )
        escape_formulas: bool = field(
            default=False, metadata={"doc": "Put `'` before texts that a spreadsheet would execute after an export."}
        )
        max_cells: int = field(default=10_000_000, metadata={"doc": "Cells that fit into a spreadsheet."})
        max_copy_cells: int = field(default=2_000_000, metadata={"doc": "Cells that may be published in one request."})
        chunk_bytes: int = field(default=1_800_000, metadata={"doc": "JSON bytes written in one request."})
        requests_per_minute: int = field(
            default=48, metadata={"doc": "Reads, and writes, a minute and account; Google allows 60. 0 = no pacing."}
        )
        endpoint: str | None = field(default=None, metadata={"doc": "Address of another API than Google's, for tests."})

    @staticmethod
    def table_of(url: str) -> str | None:
        """The tab that the address names, written as a table's name; None where it names none."""
        title = unquote(urlsplit(url).path.lstrip("/"))
        return TableName(table=title).written() if title else None

    def label(self, target: Target) -> str:
        return f"Google Sheets {_spreadsheet(target)}, sheet {_title(target)!r}"

    def inspect(self, target: Target) -> TableInfo | None:
        wire = _wire(target)
        try:
            tab = read_state(wire).tab(_title(target))
            names = [] if tab is None else sessions.header_of(wire, tab)
            return sessions.table_info(names, self.label(target)) if any(names) else None
        finally:
            wire.close()

    def session(self, job: Job) -> sessions.SheetsSession:
        options = job.target.options
        if options.get("dates", "serial") not in ("serial", "iso"):
            raise UsageError(f"`dates` can't be {options['dates']!r}", hint="Write serial or iso.")
        ways = sessions.Ways(
            room=Room(
                max_cells=_number(options, "max_cells", 10_000_000),
                max_copy_cells=_number(options, "max_copy_cells", 2_000_000),
            ),
            chunk_bytes=_number(options, "chunk_bytes", 1_800_000),
            serials=options.get("dates", "serial") == "serial",
            escape_formulas=bool(options.get("escape_formulas", False)),
        )
        title = _title(job.target)
        return sessions.SheetsSession(job, _wire(job.target), title, self.label(job.target), ways)

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        wire = _wire(target)
        try:
            state = read_state(wire)
            tab = state.tab(_title(target))
            markers = [] if tab is None else state.markers(tab.sheet_id)
            return marker_row(markers[-1][1]) if markers else None
        finally:
            wire.close()


def _spreadsheet(target: Target) -> str:
    found = urlsplit(target.url).netloc
    if not found:
        raise UsageError(f"{target.url!r} names no spreadsheet", hint=f"Write {_EXAMPLE}")
    return found


def _title(target: Target) -> str:
    if not target.table:
        raise UsageError("the address names no sheet", hint=f"Write {_EXAMPLE}")
    name = parse_table(target.table)
    if name.schema is not None:
        raise RefusedError(
            f"a spreadsheet has no schema {name.schema!r}", hint="Name the sheet alone, quoted if it has a dot."
        )
    return name.table


def _wire(target: Target) -> Wire:
    options = target.options
    return connect(
        _spreadsheet(target),
        credentials=options.get("credentials"),
        endpoint=options.get("endpoint"),
        per_minute=_number(options, "requests_per_minute", 48),
    )


def _number(options: dict[str, Any], name: str, default: int) -> int:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"`{name}` can't be {value!r}", hint="Write a whole number.")
    return value
