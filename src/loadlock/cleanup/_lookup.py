"""Lookup files as rules and checks see them: rows of text, the header first."""

from __future__ import annotations

from difflib import get_close_matches

from loadlock.cleanup.base import RuleContext
from loadlock.errors import UsageError


def file_rows(context: RuleContext, path: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a lookup file; raises UsageError where it was not read or is empty."""
    rows = context.lookups.get(path)
    if not rows:
        raise UsageError(
            f"column {context.column}: the lookup file {path} " + ("is empty" if rows is not None else "was not read"),
            hint="Give the path of a CSV file with a header, from the pipeline's folder.",
        )
    return rows


def place(rows: tuple[tuple[str, ...], ...], name: str | None, otherwise: int, path: str) -> int:
    """The index of the column `name`, or `otherwise`; raises UsageError where the file has no such column."""
    header = list(rows[0])
    if name is None:
        if otherwise >= len(header):
            raise UsageError(
                f"the lookup file {path} has {len(header)} column(s), {otherwise + 1} are needed",
                hint="Look at its delimiter: it must be a comma.",
            )
        return otherwise
    if name not in header:
        close = get_close_matches(name, header, n=1)
        raise UsageError(
            f"the lookup file {path} has no column {name!r}",
            hint=f"Did you mean {close[0]!r}?" if close else f"Its columns are {', '.join(header)}.",
        )
    return header.index(name)
