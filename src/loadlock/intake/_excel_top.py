"""Where the table of a sheet begins, and its header: said by options, or found with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadlock.intake._excel_cells import Kind, SheetRow
from loadlock.intake.base import SourceOptions
from loadlock.intake.headers import Naming, join_header_rows, name_columns, numbered_columns

LOOK_ROWS = 100
"""Filled rows looked at to find the table."""


@dataclass(frozen=True, kw_only=True)
class Top:
    """A sheet's table: its columns and what stands above its first record."""

    naming: Naming
    found: list[str]
    """The header's cells as they stand there."""
    first: int
    """0-based column of the sheet where the table begins."""
    header: int
    """Number of header rows."""
    preamble: int
    """Sheet rows above the header."""
    taken: int
    """Rows of those looked at that are above the first record."""
    reasons: list[str]


def find_top(rows: Sequence[SheetRow], options: SourceOptions) -> Top:
    """The table's top in the first filled rows of a sheet."""
    reasons: list[str] = []
    at = _begin(rows, options, reasons)
    below = rows[at:]
    header = _header(below, options, reasons)
    table = below[: LOOK_ROWS - at] or below
    first = min((column for row in table for column in row.cells), default=0)
    last = max((column for row in table for column in row.cells), default=-1)
    cells = [[_text(row, column) for column in range(first, last + 1)] for row in below[:header]]
    if cells:
        found = join_header_rows(cells) if header > 1 else cells[0]
        naming = name_columns(found)
    else:
        found, naming = [], Naming(names=numbered_columns(last - first + 1), notes=[])
    preamble = (below[0].number - 1) if below else 0
    return Top(
        naming=naming,
        found=found,
        first=first,
        header=len(cells),
        preamble=preamble,
        taken=at + len(cells),
        reasons=reasons,
    )


def _begin(rows: Sequence[SheetRow], options: SourceOptions, reasons: list[str]) -> int:
    """The first row of the table."""
    if options.preamble is not None:
        reasons.append(f"skipped: {options.preamble} rows, as told")
        return next((at for at, row in enumerate(rows) if row.number > options.preamble), len(rows))
    widest = max((len(row.cells) for row in rows), default=0)
    at = next((at for at, row in enumerate(rows) if len(row.cells) * 2 > widest), 0)
    if rows and rows[at].number > 1:
        reasons.append(
            f"skipped: row {rows[at].number} is the first with more than half as many cells as the widest has ({widest})"
        )
    return at


def _header(rows: Sequence[SheetRow], options: SourceOptions, reasons: list[str]) -> int:
    if options.header is not None:
        reasons.append("header: as told")
        return options.header
    if rows and not any(cell.kind is Kind.TEXT for cell in rows[0].cells.values()):
        reasons.append(f"header: none, row {rows[0].number} holds no text")
        return 0
    if rows:
        reasons.append(f"header: row {rows[0].number}, it holds texts")
    return 1 if rows else 0


def _text(row: SheetRow, column: int) -> str:
    cell = row.cells.get(column)
    return cell.text if cell else ""
